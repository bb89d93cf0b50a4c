#pragma once

#include <cstdint>
#include <string_view>

#include "schema/base/philox.h"

namespace sarsweep::trainer::synthetic {

// The layout draws of one scene, in order. Not thread-safe.
class Draws {
 public:
  Draws(std::uint64_t seed, std::string_view purpose, std::uint64_t index)
      : random_(seed, purpose, index) {}

  double between(double low, double high) { return low + (high - low) * random_.uniform(next_++); }
  // An integer in [low, high].
  int count(int low, int high) {
    const auto span = static_cast<std::uint64_t>(high - low + 1);
    return low + static_cast<int>(random_.below(span, next_++));
  }

 private:
  RandomStream random_;
  std::uint64_t next_ = 0;
};

}  // namespace sarsweep::trainer::synthetic
