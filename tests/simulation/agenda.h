#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <random>
#include <tuple>
#include <vector>

#include "schema/base/clock.h"

namespace sarsweep::simulation {

// All chance of one simulated history comes from here: the same seed, the same history.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_(seed) {}
  // 0 … n − 1.
  int below(int n) { return static_cast<int>(engine_() % static_cast<std::uint64_t>(n)); }
  bool happens(double probability) {
    return static_cast<double>(engine_() >> 11) * 0x1.0p-53 < probability;
  }
  std::uint64_t bits() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

// Virtual time. Monotonic time only moves on; the wall clock may also be set.
class VirtualClock final : public Clock {
 public:
  TimePoint steady() const override { return TimePoint(std::chrono::milliseconds(now_ms_)); }
  std::int64_t unix_ms() const override { return 1'700'000'000'000 + now_ms_ + wall_offset_ms_; }
  std::int64_t now_ms() const { return now_ms_; }
  void advance_to(std::int64_t ms) { now_ms_ = ms; }
  void set_wall(std::int64_t offset_ms) { wall_offset_ms_ = offset_ms; }

 private:
  std::int64_t now_ms_ = 1'000'000;
  std::int64_t wall_offset_ms_ = 0;
};

// What will happen, by virtual time; what happens at one time, in an order that chance chose.
class Agenda {
 public:
  Agenda(VirtualClock& clock, Chance& chance) : clock_(clock), chance_(chance) {}

  void in(std::int64_t delay_ms, std::function<void()> what) {
    entries_.push({clock_.now_ms() + delay_ms, chance_.bits(), ++count_, std::move(what)});
  }
  // Does the next thing; false once its time lies behind `until_ms` or there is nothing left.
  bool step(std::int64_t until_ms) {
    if (entries_.empty() || entries_.top().at_ms > until_ms) return false;
    const Entry next = entries_.top();
    entries_.pop();
    clock_.advance_to(next.at_ms);
    next.what();
    return true;
  }

 private:
  struct Entry {
    std::int64_t at_ms = 0;
    std::uint64_t order = 0, number = 0;
    std::function<void()> what;
    bool operator<(const Entry& other) const {  // The queue's top is its greatest.
      return std::tie(other.at_ms, other.order, other.number) < std::tie(at_ms, order, number);
    }
  };

  VirtualClock& clock_;
  Chance& chance_;
  std::priority_queue<Entry> entries_;
  std::uint64_t count_ = 0;
};

}  // namespace sarsweep::simulation
