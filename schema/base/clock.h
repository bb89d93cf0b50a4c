#pragma once

#include <chrono>
#include <cstdint>

namespace sarsweep {

// Two clocks: `steady` decides (leases, deadlines), `unix_ms` is shown to people. Thread-safe.
class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  virtual ~Clock() = default;
  virtual TimePoint steady() const = 0;
  virtual std::int64_t unix_ms() const = 0;
};

// The machine's clocks; lives as long as the program.
const Clock& system_clock();

}  // namespace sarsweep
