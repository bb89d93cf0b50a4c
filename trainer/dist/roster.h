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
  std::atomic<std::int64_t> pid{0};        // 0: no rank is here yet
  std::atomic<std::uint64_t> beats{0};     // grows while the process runs
  std::atomic<std::uint64_t> calls{0};     // of the communicator; odd inside one, even between them
  std::atomic<std::uint64_t> progress{0};  // grows as the rank gets on
  std::atomic<std::int64_t> longest_ms{0};  // it ever took from one sign of progress to the next
  std::atomic<int> long_works{0};           // > 0: it cannot show progress
  std::atomic<int> left{0};                 // 1: the departure below is set
  std::atomic<int> culprit{0}, exit_code{0};
  std::array<char, 1024> reason{};  // ends with 0
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
              std::atomic<int>::is_always_lock_free);

// One rank's view of the others; the rules of communicator.h. Time counts only as far as this
// process itself runs: after the whole machine was frozen nobody is given for lost. Main thread,
// but for note_progress(); one more thread beats.
class Roster {
 public:
  // Enters `rank` into its cell. The cells outlive the roster.
  Roster(std::span<RankCell> cells, int rank, const Clock& clock, const RosterLimits& limits = {});
  Roster(const Roster&) = delete;
  Roster& operator=(const Roster&) = delete;

  // Throws Error(unreachable) if a rank has departed. Cheap: for every turn of a waiting loop. A
  // sign of progress.
  void require_all();
  void note_progress();
  void begin_long_work() { own().long_works.fetch_add(1); }
  void end_long_work();
  const std::optional<Departure>& departure() const { return departure_; }

  // Around each call of the communicator.
  void enter_call() { step_over_call(); }
  void end_call() { step_over_call(); }
  // The next call is the last one: from now on the others may take as long as they like.
  void expect_the_end() { patient_ = true; }

  // Tells the others that this rank is going: by its own fault, or because of departure().
  void leave(int exit_code, const std::string& reason);
  // Whether rank 0 is still to say its last words.
  bool first_is_going() const;

 private:
  struct Peer {  // as last seen
    std::uint64_t beats = 0, progress = 0;
    std::chrono::nanoseconds silent{0}, idle{0};
  };

  RankCell& own() { return cells_[static_cast<std::size_t>(rank_)]; }
  void step_over_call() {
    note_progress();
    own().calls.fetch_add(1);
  }
  bool inside_call() const { return cells_[static_cast<std::size_t>(rank_)].calls.load() % 2 == 1; }
  void look();
  void look_at(int rank, std::chrono::nanoseconds passed);
  void look_for_hang(int rank, std::chrono::nanoseconds passed);
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
  std::atomic<std::int64_t> progressed_ns_;  // on the clock
  bool patient_ = false;
  std::optional<Departure> departure_;
  std::jthread heart_;  // Last: it uses the cell.
};

}  // namespace sarsweep::trainer
