#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "schema/base/philox.h"
#include "tests/support/referee.h"
#include "trainer/core/config/model_config.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::tests {

// The tiny preset with random weights. Call where open_clip_vocabulary() has a value.
inline trainer::Pipeline tiny_pipeline(std::uint64_t seed) {
  return trainer::init_pipeline(trainer::preset_configs("tiny"), seed,
                                open_clip_vocabulary().value());
}

inline at::Tensor normal_tensor(const std::vector<std::int64_t>& shape, std::string_view name) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  RandomStream(11, name, 0)
      .fill_normal(tensor.mutable_data_ptr<float>(), static_cast<std::uint64_t>(tensor.numel()));
  return tensor;
}

}  // namespace sarsweep::tests
