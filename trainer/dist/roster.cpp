#include "trainer/dist/roster.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "schema/base/error.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::trainer {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kLookEvery{50};
// The most time that one look may add: what lies beyond, this process spent computing or frozen.
constexpr milliseconds kMostPerLook{500};
constexpr int kLongest = 20;  // times the longest time without progress so far
constexpr int kTemporary = static_cast<int>(run_dir::ExitCode::temporary);

void beat_until(const std::stop_token& stop, std::atomic<std::uint64_t>& beats, milliseconds beat) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    beats.fetch_add(1);
    never.wait_for(lock, stop, beat, [] { return false; });
  }
}

bool is_gone(std::int64_t pid) {
  return pid != 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
}

long seconds(nanoseconds span) {
  return std::chrono::duration_cast<std::chrono::seconds>(span).count();
}

}  // namespace

Roster::Roster(std::span<RankCell> cells, int rank, const Clock& clock, const RosterLimits& limits)
    : cells_(cells),
      rank_(rank),
      clock_(clock),
      limits_(limits),
      peers_(cells.size()),
      last_look_(clock.steady()),
      progressed_ns_(nanoseconds(last_look_.time_since_epoch()).count()) {
  own().pid = ::getpid();
  heart_ = std::jthread([&beats = own().beats, beat = limits.beat](const std::stop_token& stop) {
    beat_until(stop, beats, beat);
  });
}

void Roster::note_progress() {
  const nanoseconds now = clock_.steady().time_since_epoch();
  const nanoseconds span = now - nanoseconds(progressed_ns_.exchange(now.count()));
  const std::int64_t took = std::chrono::duration_cast<milliseconds>(span).count();
  std::atomic<std::int64_t>& longest = own().longest_ms;
  for (std::int64_t known = longest; took > known && !longest.compare_exchange_weak(known, took);) {
  }
  own().progress.fetch_add(1);
}

void Roster::end_long_work() {
  progressed_ns_ = nanoseconds(clock_.steady().time_since_epoch()).count();
  own().progress.fetch_add(1);
  own().long_works.fetch_sub(1);
}

void Roster::require_all() {
  note_progress();
  if (!departure_ && clock_.steady() - last_look_ >= kLookEvery) look();
  if (departure_) throw Error(ErrorCode::unreachable, departure_->reason);
}

void Roster::look() {
  const Clock::TimePoint now = clock_.steady();
  const nanoseconds passed = std::min<nanoseconds>(now - last_look_, kMostPerLook);
  last_look_ = now;
  // Words first: whose words are known is no mere corpse.
  for (int rank = 0; rank < static_cast<int>(cells_.size()); ++rank) {
    const RankCell& cell = cells_[static_cast<std::size_t>(rank)];
    if (rank == rank_ || cell.left.load() == 0) continue;
    departure_ = {cell.culprit, cell.exit_code, cell.reason.data()};
    return;
  }
  for (int rank = 0; rank < static_cast<int>(cells_.size()); ++rank) {
    if (rank != rank_) look_at(rank, passed);
  }
  look_for_stall(passed);
}

void Roster::look_at(int rank, nanoseconds passed) {
  const RankCell& cell = cells_[static_cast<std::size_t>(rank)];
  Peer& peer = peers_[static_cast<std::size_t>(rank)];
  if (is_gone(cell.pid)) return give_up(rank, "its process is gone");
  const std::uint64_t beats = cell.beats;
  peer.silent = beats == peer.beats ? peer.silent + passed : nanoseconds(0);
  peer.beats = beats;
  if (peer.silent >= limits_.silence) {
    return give_up(rank, fmt::format("it gave no sign of life for {} s", seconds(peer.silent)));
  }
  look_for_hang(rank, passed);
}

void Roster::look_for_hang(int rank, nanoseconds passed) {
  const RankCell& cell = cells_[static_cast<std::size_t>(rank)];
  Peer& peer = peers_[static_cast<std::size_t>(rank)];
  const std::uint64_t progress = cell.progress;
  const bool awaited = inside_call() && !patient_ && cell.long_works.load() == 0;
  peer.idle = awaited && progress == peer.progress ? peer.idle + passed : nanoseconds(0);
  peer.progress = progress;
  if (peer.idle < std::max(limits_.hang, kLongest * milliseconds(cell.longest_ms))) return;
  give_up(rank, fmt::format("it got no further for {} s while rank {} waited", seconds(peer.idle),
                            rank_));
}

void Roster::look_for_stall(nanoseconds passed) {
  const std::uint64_t call = own().calls;
  const bool together =
      inside_call() && std::all_of(cells_.begin(), cells_.end(),
                                   [&](const RankCell& c) { return c.calls.load() == call; });
  stalled_ = together && call == stalled_call_ ? stalled_ + passed : nanoseconds(0);
  stalled_call_ = call;
  if (stalled_ < limits_.stall) return;
  give_up(rank_, fmt::format("all ranks have waited for each other for {} s", seconds(stalled_)));
}

void Roster::give_up(int rank, const std::string& why) {
  if (!departure_) departure_ = departure_of(rank, kTemporary, why);
}

Departure Roster::departure_of(int rank, int exit_code, const std::string& why) const {
  return {rank, exit_code, fmt::format("rank {} of {}: {}", rank, cells_.size(), why)};
}

void Roster::leave(int exit_code, const std::string& reason) {
  const Departure last = departure_.value_or(departure_of(rank_, exit_code, reason));
  RankCell& cell = own();
  const std::size_t length = std::min(last.reason.size(), cell.reason.size() - 1);
  std::memcpy(cell.reason.data(), last.reason.data(), length);
  cell.reason[length] = '\0';
  cell.culprit = last.rank;
  cell.exit_code = last.exit_code;
  cell.left = 1;
}

bool Roster::first_is_going() const {
  const RankCell& cell = cells_.front();
  const bool lost = departure_ && departure_->rank == 0;
  return rank_ != 0 && cell.left.load() == 0 && !lost && !is_gone(cell.pid);
}

}  // namespace sarsweep::trainer
