#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <queue>
#include <stop_token>
#include <thread>
#include <vector>

namespace sarsweep::load {

using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;

// Deeds and when they are due, done by a few threads: whoever is free takes what is due first. Two
// hundred workers that mostly wait then need no two hundred threads. Thread-safe.
class Timetable {
 public:
  // Told when it was due, from which its latency counts: a late start is the caller's wait, too.
  using Deed = std::function<void(TimePoint due)>;

  explicit Timetable(int threads);
  ~Timetable();  // After the deeds that are being done; the others are forgotten.
  Timetable(const Timetable&) = delete;
  Timetable& operator=(const Timetable&) = delete;

  void at(TimePoint due, Deed deed);

 private:
  struct Entry {
    TimePoint due;
    std::uint64_t number;  // of two that are due at once, the earlier one first
    Deed deed;
    bool operator<(const Entry& other) const {
      return due != other.due ? due > other.due : number > other.number;
    }
  };
  void work(const std::stop_token& stop);
  std::optional<Entry> await_due(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any free_, changed_;
  std::priority_queue<Entry> entries_;
  std::uint64_t next_number_ = 0;
  bool watched_ = false;  // one of the threads waits for what is due next
  std::vector<std::jthread> threads_;
};

}  // namespace sarsweep::load
