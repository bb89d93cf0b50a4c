#include "trainer/torch/jobs/pixel_source.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "trainer/core/images/resample.h"
#include "trainer/core/schedule/draws.h"
#include "trainer/torch/jobs/pictures.h"

namespace sarsweep::trainer {
namespace {

constexpr std::size_t kBudget = std::size_t{1} << 30;

}  // namespace

View PixelSource::view(const StreamSample& sample) const {
  return data_.drawn_view(sample.image,
                          SampleDraws(seed_, static_cast<std::uint64_t>(sample.sample_index)));
}

// The whole picture where any part of it may be asked for, else its one view, stretched.
const AmplitudeImage& PixelSource::remembered(std::size_t image) {
  if (const auto found = known_.find(image); found != known_.end()) return found->second;
  last_ = data_.crops_at_random() ? data_.picture(image) : data_.stretched(image);
  const std::size_t bytes = last_.pixels.size() * sizeof(float);
  if (bytes_ + bytes > kBudget) return last_;
  bytes_ += bytes;
  return known_.emplace(image, std::move(last_)).first->second;
}

AmplitudeImage PixelSource::stretched(const StreamSample& sample) {
  const View drawn = view(sample);
  const AmplitudeImage& known = remembered(sample.image);
  if (data_.crops_at_random()) return data_.stretched(known, drawn);
  return mirrored(known, drawn.mirror.rows, drawn.mirror.columns);
}

AmplitudeImage PixelSource::plain(std::size_t image) {
  if (data_.crops_at_random()) return data_.stretched(image);
  return remembered(image);
}

at::Tensor PixelSource::pixels(const std::vector<StreamSample>& samples) {
  std::vector<AmplitudeImage> images;
  for (const StreamSample& sample : samples) images.push_back(stretched(sample));
  return pixels_of(images);
}

at::Tensor PixelSource::time_ids(const std::vector<StreamSample>& samples) const {
  std::vector<std::array<float, 6>> conditionings;
  for (const StreamSample& sample : samples) {
    conditionings.push_back(data_.size_conditioning(sample.image, view(sample)));
  }
  return time_ids_of(conditionings);
}

at::Tensor time_ids_of(const std::vector<std::array<float, 6>>& conditionings) {
  at::Tensor ids = at::empty({static_cast<std::int64_t>(conditionings.size()), 6}, at::kFloat);
  float* out = ids.mutable_data_ptr<float>();
  for (const std::array<float, 6>& conditioning : conditionings) {
    out = std::copy(conditioning.begin(), conditioning.end(), out);
  }
  return ids;
}

}  // namespace sarsweep::trainer
