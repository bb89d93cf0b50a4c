#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "coordinator/stats/divergence.h"
#include "coordinator/stats/judged_run.h"

namespace sarsweep::stats {

// Counts of kBlock bins, of the real side and then of the generated one.
using CountBlock = std::array<double, 2 * kBlock>;

// A run's histograms in the order in which many sums over few images are fast: a block of bins of
// all images of a stratum lies together, and stays in the first cache while its replicates are
// made. Sums are whole numbers, hence exact.
class PixelCounts {
 public:
  explicit PixelCounts(const JudgedRun& run);

  std::size_t blocks() const { return blocks_; }
  // Bins of a block; fewer in the last.
  std::size_t bins(std::size_t block) const;
  // Over images of one stratum, each as often as it is named.
  CountBlock sum(std::size_t block, std::span<const std::uint32_t> images) const;

 private:
  std::size_t images_, bins_, blocks_;
  bool narrow_;  // no sum over as many images as there are leaves 31 bits
  std::vector<std::uint32_t> counts_;
};

}  // namespace sarsweep::stats
