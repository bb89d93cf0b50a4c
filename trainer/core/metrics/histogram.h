#pragma once

#include <cstdint>
#include <vector>

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// Counts of stretched amplitude in `bins` equal bins on [0,1], the last closed. Pixels above the
// saturation threshold are left out and counted apart. Histograms of equal shape can be summed.
class AmplitudeHistogram {
 public:
  AmplitudeHistogram(int bins, double saturation_threshold);

  // `stretched` lies in [0,1]. Throws Error(invalid) at a value outside, or not a number.
  void add(const AmplitudeImage& stretched);
  void add(double value);
  void add(const AmplitudeHistogram& other);

  const std::vector<std::uint64_t>& counts() const { return counts_; }
  std::uint64_t kept() const { return kept_; }
  std::uint64_t saturated() const { return saturated_; }
  double saturation() const;  // the share of saturated pixels, 0 of none

 private:
  double threshold_;
  std::vector<std::uint64_t> counts_;
  std::uint64_t kept_ = 0;
  std::uint64_t saturated_ = 0;
};

}  // namespace sarsweep::trainer
