#include "coordinator/stats/pixel_counts.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace sarsweep::stats {
namespace {

constexpr std::size_t kWidth = 2 * kBlock;
// Four counts that are added at once; all processors of the supported kinds can.
using Four = std::int32_t __attribute__((vector_size(16)));
constexpr std::size_t kFours = kWidth * sizeof(std::int32_t) / sizeof(Four);

}  // namespace

PixelCounts::PixelCounts(const JudgedRun& run)
    : images_(run.images.size()),
      bins_(run.bins),
      blocks_((run.bins + kBlock - 1) / kBlock),
      counts_(blocks_ * images_ * kWidth) {
  const auto most = run.counts.empty() ? run.counts.end()
                                       : std::max_element(run.counts.begin(), run.counts.end());
  narrow_ = run.counts.empty() ||
            std::uint64_t{*most} * images_ <= std::numeric_limits<std::int32_t>::max();
  for (std::size_t i = 0; i < images_; ++i) {
    for (std::size_t k = 0; k < bins_; ++k) {
      std::uint32_t* row = counts_.data() + (k / kBlock * images_ + i) * kWidth + k % kBlock;
      row[0] = run.counts[i * 2 * bins_ + k];
      row[kBlock] = run.counts[(i * 2 + 1) * bins_ + k];
    }
  }
}

std::size_t PixelCounts::bins(std::size_t block) const {
  return std::min(kBlock, bins_ - block * kBlock);
}

CountBlock PixelCounts::sum(std::size_t block, std::span<const std::uint32_t> images) const {
  const std::uint32_t* rows = counts_.data() + block * images_ * kWidth;
  CountBlock out{};
  if (!narrow_) {
    for (const std::uint32_t image : images) {
      const std::uint32_t* row = rows + std::size_t{image} * kWidth;
      for (std::size_t k = 0; k < kWidth; ++k) out[k] += row[k];
    }
    return out;
  }
  std::array<Four, kFours> sums{};
  for (const std::uint32_t image : images) {
    const std::uint32_t* row = rows + std::size_t{image} * kWidth;
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kFours; ++k) {
      Four four;
      std::memcpy(&four, row + 4 * k, sizeof four);
      sums[k] += four;
    }
  }
  std::array<std::int32_t, kWidth> whole;
  std::memcpy(whole.data(), sums.data(), sizeof whole);
  std::copy(whole.begin(), whole.end(), out.begin());
  return out;
}

}  // namespace sarsweep::stats
