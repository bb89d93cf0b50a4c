#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "coordinator/stats/image_set.h"

namespace sarsweep::stats {

inline constexpr std::size_t kReplicates = 2000;

// Which images each replicate of the bootstrap holds: the same for every run judged on the set, so
// that differences between runs are paired. Of a stratum of n images n - 1 are drawn with
// replacement, each weighing n / (n - 1): then the variance over replicates is without bias in
// small strata too (Rao and Wu, 1988). The draws are Philox variates of a fixed key and the
// stratum's images: the same on every machine. Of a stratum of one image it is itself. Pure.
class Resampling {
 public:
  explicit Resampling(ImageSet images, std::size_t replicates = kReplicates);

  const ImageSet& images() const { return images_; }
  std::size_t replicates() const { return replicates_; }
  // Indices of images(), in no order.
  std::span<const std::uint32_t> drawn(std::size_t replicate, std::size_t stratum) const;
  // Of each image that was drawn.
  double weight(std::size_t stratum) const;

 private:
  ImageSet images_;
  std::size_t replicates_;
  std::vector<std::size_t> offset_;   // of each stratum in a replicate's draws, and their number
  std::vector<std::uint32_t> drawn_;  // a replicate after the other
};

}  // namespace sarsweep::stats
