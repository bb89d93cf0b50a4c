#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>

#include "trainer/torch/model/attention_core.h"
#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// Multi-head scaled dot-product attention, scale 1/√(width/heads).
struct Attention {
  struct Options {
    std::int64_t width = 0;          // of queries and output
    std::int64_t context_width = 0;  // of keys' and values' source
    std::int64_t heads = 1;
    bool qkv_bias = false;
    // The names of the four projections below `name`.
    std::array<const char*, 4> projections = {"to_q", "to_k", "to_v", "to_out.0"};
  };
  Attention(Component& owner, const std::string& name, const Options& options);

  // x [B,S,width], context [B,T,context_width] -> [B,S,width].
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& context, Mask mask) const;

  const Layer *query = nullptr, *key = nullptr, *value = nullptr, *out = nullptr;
  std::int64_t heads;
};

}  // namespace sarsweep::trainer
