#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "trainer/torch/model/component.h"
#include "trainer/torch/model/norm.h"

namespace sarsweep::trainer {

// diffusers' ResnetBlock2D: two (GroupNorm, SiLU, 3×3 convolution), the time embedding added
// between them, and a skip, 1×1 convolved where the width changes.
struct ResnetBlock {
  struct Options {
    std::int64_t in = 0, out = 0;
    std::int64_t time_width = 0;  // 0: no time embedding
    std::int64_t groups = 32;
    double eps = 1e-5;
  };
  ResnetBlock(Component& owner, const std::string& name, const Options& options);

  // x [B,in,h,w]; activated_time = SiLU(embedding) [B,time_width], undefined where time_width is 0.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& activated_time) const;

  GroupNorm norm1;
  const Layer* conv1;
  const Layer* time_emb_proj;  // nullptr without time embedding
  GroupNorm norm2;
  const Layer* conv2;
  const Layer* conv_shortcut;  // nullptr where in == out
};

// Nearest-neighbour enlargement of [B,C,h,w] to `height` × `width`, then `conv`.
at::Tensor upsample(const at::Tensor& x, std::int64_t height, std::int64_t width,
                    const Layer& conv);

}  // namespace sarsweep::trainer
