#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace sarsweep::worker {

// Waiting times between attempts at a coordinator that does not answer: doubling up to a cap, each
// drawn from the upper half, so that a hundred workers do not come back at one instant. Not
// thread-safe; one per retry loop.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds cap, std::uint64_t seed)
      : first_(first), cap_(cap), next_(first), generator_(seed) {}

  std::chrono::milliseconds next() {
    std::uniform_int_distribution<std::int64_t> draw(next_.count() / 2, next_.count());
    next_ = std::min(cap_, next_ * 2);
    return std::chrono::milliseconds(draw(generator_));
  }
  void reset() { next_ = first_; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds cap_;
  std::chrono::milliseconds next_;
  std::mt19937_64 generator_;
};

}  // namespace sarsweep::worker
