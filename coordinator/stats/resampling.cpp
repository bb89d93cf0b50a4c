#include "coordinator/stats/resampling.h"

#include <algorithm>
#include <utility>

#include "schema/base/philox.h"

namespace sarsweep::stats {
namespace {

// Changes every interval there is.
constexpr std::uint64_t kKey = 1;

}  // namespace

Resampling::Resampling(ImageSet images, std::size_t replicates)
    : images_(std::move(images)), replicates_(replicates), offset_({0}) {
  const auto& strata = images_.strata();
  for (const ImageSet::Stratum& stratum : strata) {
    offset_.push_back(offset_.back() + std::max<std::size_t>(stratum.size() - 1, 1));
  }
  const std::size_t width = offset_.back();
  drawn_.resize(replicates_ * width);
  for (std::size_t s = 0; s < strata.size(); ++s) {
    const std::string purpose = "leaderboard.bootstrap/" + images_.digest(strata[s]);
    for (std::size_t b = 0; b < replicates_; ++b) {
      const RandomStream random(kKey, purpose, b);
      for (std::size_t i = 0; i < offset_[s + 1] - offset_[s]; ++i) {
        const std::uint64_t chosen = random.below(strata[s].size(), i);
        drawn_[b * width + offset_[s] + i] = static_cast<std::uint32_t>(strata[s].begin + chosen);
      }
    }
  }
}

std::span<const std::uint32_t> Resampling::drawn(std::size_t replicate, std::size_t stratum) const {
  const std::size_t begin = replicate * offset_.back() + offset_[stratum];
  return {drawn_.data() + begin, offset_[stratum + 1] - offset_[stratum]};
}

double Resampling::weight(std::size_t stratum) const {
  const auto n = static_cast<double>(images_.strata()[stratum].size());
  return n > 1 ? n / (n - 1) : 1.0;
}

}  // namespace sarsweep::stats
