#include "trainer/torch/jobs/picture_cache.h"

namespace sarsweep::trainer {
namespace {

constexpr std::size_t kBudget = std::size_t{1} << 30;

}  // namespace

AmplitudeImage PictureCache::stretched(std::size_t index) {
  if (const auto found = known_.find(index); found != known_.end()) return found->second;
  AmplitudeImage image = data_.stretched(index);
  const std::size_t bytes = image.pixels.size() * sizeof(float);
  if (bytes_ + bytes <= kBudget) {
    bytes_ += bytes;
    known_.emplace(index, image);
  }
  return image;
}

}  // namespace sarsweep::trainer
