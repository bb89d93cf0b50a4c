#pragma once

#include <cstddef>
#include <limits>
#include <vector>

namespace sarsweep::stats {

// Up to so many values every pattern of signs is tried; above, a fixed 19,999 of them, which with
// the pattern at hand makes 20,000.
inline constexpr std::size_t kMostExact = 14;
inline constexpr std::size_t kFlips = 19'999;

// How the sums under flipped signs are widened before they are compared with the sum at hand: to
// the standard deviation `scale` times theirs, and then divided by an independent √(χ²_ν / ν). The
// plain test widens nothing.
struct Widening {
  double scale = 1;
  double degrees = std::numeric_limits<double>::infinity();
};

// Two-sided p for values that are symmetric about 0 if nothing differs: the share of sign patterns
// whose sum is at least as far from 0 as that of `values`. The patterns tried are a function of the
// number of values alone. Never 0; 1 where all values are 0. Pure.
double sign_flip_p(const std::vector<double>& values, const Widening& widening = {});

}  // namespace sarsweep::stats
