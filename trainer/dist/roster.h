#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "schema/base/clock.h"
#include "trainer/dist/communicator.h"

namespace sarsweep::trainer {

// What the ranks of a machine show each other, one cell a rank in memory they share. Written by its
// owner alone.
struct alignas(64) RankCell {
  std::atomic<std::int64_t> pid{0};     // 0: no rank is here yet
  std::atomic<std::uint64_t> beats{0};  // grows while the process runs
  std::atomic<std::uint64_t> calls{0};  // of the communicator; odd inside one, even between them
  std::atomic<int> left{0};             // 1: the departure below is set
  std::atomic<int> culprit{0}, exit_code{0};
  std::array<char, 1024> reason{};  // ends with 0
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
              std::atomic<int>::is_always_lock_free);

struct RosterLimits {
  std::chrono::milliseconds beat{500};       // between two signs of life
  std::chrono::milliseconds silence{8'000};  // without one: the rank is given for lost
  std::chrono::milliseconds stall{120'000};  // all ranks in one call, and none gets on
};

// One rank's view of the others; the rules of communicator.h. Time counts only as far as this
// process itself runs: after the whole machine was frozen nobody is given for lost. Main thread;
// one more thread beats.
class Roster {
 public:
  // Enters `rank` into its cell. The cells outlive the roster.
  Roster(std::span<RankCell> cells, int rank, const Clock& clock, const RosterLimits& limits = {});
  Roster(const Roster&) = delete;
  Roster& operator=(const Roster&) = delete;

  // Throws Error(unreachable) if a rank has departed. Cheap: for every turn of a waiting loop.
  void require_all();
  const std::optional<Departure>& departure() const { return departure_; }

  // Around each call of the communicator.
  void enter_call() { own().calls.fetch_add(1); }
  void end_call() { own().calls.fetch_add(1); }

  // Tells the others that this rank is going: by its own fault, or because of departure().
  void leave(int exit_code, const std::string& reason);
  // Whether rank 0 is still to say its last words.
  bool first_is_going() const;

 private:
  struct Peer {  // as last seen
    std::uint64_t beats = 0;
    std::chrono::nanoseconds silent{0};
  };

  RankCell& own() { return cells_[static_cast<std::size_t>(rank_)]; }
  void look();
  void look_at(int rank, std::chrono::nanoseconds passed);
  void look_for_stall(std::chrono::nanoseconds passed);
  void give_up(int rank, const std::string& why);
  Departure departure_of(int rank, int exit_code, const std::string& why) const;

  std::span<RankCell> cells_;
  int rank_;
  const Clock& clock_;
  RosterLimits limits_;
  std::vector<Peer> peers_;
  std::uint64_t stalled_call_ = 0;
  std::chrono::nanoseconds stalled_{0};
  Clock::TimePoint last_look_;
  std::optional<Departure> departure_;
  std::jthread heart_;  // Last: it uses the cell.
};

}  // namespace sarsweep::trainer
