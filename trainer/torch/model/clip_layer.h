#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/torch/model/attention.h"
#include "trainer/torch/model/component.h"
#include "trainer/torch/model/norm.h"

namespace sarsweep::trainer {

struct ClipLayerOptions {
  std::int64_t width = 0, mlp_width = 0, heads = 1;
  double eps = 1e-5;        // of the norms
  bool quick_gelu = false;  // x·σ(1.702x) instead of the exact GELU
  Mask mask = Mask::none;   // causal in the text tower
};

// A layer of either of CLIP's towers: attention, then two linear layers, each on the norm of what
// it is added to. x [B,S,width] -> the same.
struct ClipLayer {
  ClipLayer(Component& owner, const std::string& name, const ClipLayerOptions& options);
  at::Tensor operator()(const at::Tensor& x) const;

  LayerNorm layer_norm1;
  Attention self_attn;
  LayerNorm layer_norm2;
  const Layer *fc1, *fc2;
  bool quick_gelu;
  Mask mask;
};

// Layers "<prefix>.0", "<prefix>.1", …
std::vector<ClipLayer> make_clip_layers(Component& owner, const std::string& prefix, int count,
                                        const ClipLayerOptions& options);

}  // namespace sarsweep::trainer
