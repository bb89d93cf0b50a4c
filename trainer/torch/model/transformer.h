#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/torch/model/attention.h"
#include "trainer/torch/model/component.h"
#include "trainer/torch/model/norm.h"
#include "trainer/torch/model/recompute.h"

namespace sarsweep::trainer {

// diffusers' BasicTransformerBlock: self-attention, cross-attention and a GEGLU feed-forward, each
// after its own LayerNorm and added to its input.
struct TransformerBlock {
  TransformerBlock(Component& owner, const std::string& name, std::int64_t width,
                   std::int64_t context_width, std::int64_t heads);
  at::Tensor operator()(const at::Tensor& tokens, const at::Tensor& context) const;

  LayerNorm norm1;
  Attention attn1;
  LayerNorm norm2;
  Attention attn2;
  LayerNorm norm3;
  const Layer *ff_in, *ff_out;
};

// diffusers' Transformer2DModel with linear projections: the pixels of a feature map as tokens.
struct Transformer2D {
  struct Options {
    std::int64_t channels = 0, context_width = 0, heads = 1, depth = 1, groups = 32;
  };
  Transformer2D(Component& owner, const std::string& name, const Options& options);
  // x [B,channels,h,w], context [B,T,context_width] -> [B,channels,h,w].
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& context,
                        Activations activations) const;

  GroupNorm norm;
  const Layer* proj_in;
  std::vector<TransformerBlock> blocks;
  const Layer* proj_out;
};

}  // namespace sarsweep::trainer
