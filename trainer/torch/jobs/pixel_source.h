#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "trainer/core/data/dataset.h"
#include "trainer/torch/jobs/training_data.h"

namespace sarsweep::trainer {

// What training samples show, as the encoder sees it: each sample's own crop and mirroring, by its
// own draws. Pictures are decoded once as far as a budget of memory goes. Not thread-safe.
class PixelSource {
 public:
  PixelSource(const Dataset& data, std::uint64_t seed) : data_(data), seed_(seed) {}

  View view(const StreamSample& sample) const;
  AmplitudeImage stretched(const StreamSample& sample);                 // in [0,1]
  at::Tensor pixels(const std::vector<StreamSample>& samples);          // [B,3,r,r] in [-1,1]
  at::Tensor time_ids(const std::vector<StreamSample>& samples) const;  // [B,6] fp32
  // The view an evaluation sees.
  AmplitudeImage plain(std::size_t image);

 private:
  const AmplitudeImage& remembered(std::size_t image);

  const Dataset& data_;
  std::uint64_t seed_;
  std::unordered_map<std::size_t, AmplitudeImage> known_;
  AmplitudeImage last_;  // where the budget is spent
  std::size_t bytes_ = 0;
};

// SDXL's size conditioning as a tensor [B,6], fp32.
at::Tensor time_ids_of(const std::vector<std::array<float, 6>>& conditionings);

}  // namespace sarsweep::trainer
