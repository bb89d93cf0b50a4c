#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "trainer/core/config/model_config.h"
#include "trainer/torch/model/attention.h"
#include "trainer/torch/model/component.h"
#include "trainer/torch/model/norm.h"

namespace sarsweep::trainer {

// A layer of either of CLIP's towers: attention, then two linear layers, each on the norm of what
// it is added to. x [B,S,width] -> the same.
struct ClipLayer {
  ClipLayer(Component& owner, const std::string& name, const ClipTowerConfig& tower, Mask attended);
  at::Tensor operator()(const at::Tensor& x) const;

  LayerNorm layer_norm1;
  Attention self_attn;
  LayerNorm layer_norm2;
  const Layer *fc1, *fc2;
  bool quick_gelu;  // x·σ(1.702x) instead of the exact GELU
  Mask mask;        // causal in the text tower
};

// Layers "<prefix>.0", "<prefix>.1", …
std::vector<ClipLayer> make_clip_layers(Component& owner, const std::string& prefix,
                                        const ClipTowerConfig& tower, Mask mask);

}  // namespace sarsweep::trainer
