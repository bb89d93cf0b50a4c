#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// values [n] of any dtype -> [n, width] fp32: cos(v·f_i), then sin(v·f_i), f_i =
// 10000^(-i/(width/2)) (diffusers' get_timestep_embedding with flip_sin_to_cos and no frequency
// shift).
at::Tensor sinusoid(const at::Tensor& values, std::int64_t width);

// diffusers' TimestepEmbedding: linear_1, SiLU, linear_2.
struct TimestepMlp {
  TimestepMlp(Component& owner, const std::string& name, std::int64_t in, std::int64_t width);
  at::Tensor operator()(const at::Tensor& x) const;  // [B,in] -> [B,width]

  const Layer *linear_1, *linear_2;
};

}  // namespace sarsweep::trainer
