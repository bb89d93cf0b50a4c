#include "trainer/torch/model/clip_layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/sigmoid.h>

namespace sarsweep::trainer {
namespace {

Attention::Options attention_options(const ClipTowerConfig& tower) {
  Attention::Options options;
  options.width = tower.hidden_size;
  options.context_width = tower.hidden_size;
  options.heads = tower.num_attention_heads;
  options.qkv_bias = true;
  options.projections = {"q_proj", "k_proj", "v_proj", "out_proj"};
  return options;
}

}  // namespace

ClipLayer::ClipLayer(Component& owner, const std::string& name, const ClipTowerConfig& tower,
                     Mask attended)
    : layer_norm1(owner, name + ".layer_norm1", tower.hidden_size, tower.layer_norm_eps),
      self_attn(owner, name + ".self_attn", attention_options(tower)),
      layer_norm2(owner, name + ".layer_norm2", tower.hidden_size, tower.layer_norm_eps),
      fc1(owner.add_linear(name + ".mlp.fc1", tower.hidden_size, tower.intermediate_size, true)),
      fc2(owner.add_linear(name + ".mlp.fc2", tower.intermediate_size, tower.hidden_size, true)),
      quick_gelu(tower.hidden_act == "quick_gelu"),
      mask(attended) {}

at::Tensor ClipLayer::operator()(const at::Tensor& x) const {
  const at::Tensor normed = layer_norm1(x);
  const at::Tensor h = x + self_attn(normed, normed, mask);
  const at::Tensor inner = (*fc1)(layer_norm2(h));
  const at::Tensor active = quick_gelu ? inner * at::sigmoid(inner * 1.702) : at::gelu(inner);
  return h + (*fc2)(active);
}

std::vector<ClipLayer> make_clip_layers(Component& owner, const std::string& prefix,
                                        const ClipTowerConfig& tower, Mask mask) {
  std::vector<ClipLayer> layers;
  layers.reserve(static_cast<std::size_t>(tower.num_hidden_layers));
  for (int i = 0; i < tower.num_hidden_layers; ++i) {
    layers.emplace_back(owner, prefix + "." + std::to_string(i), tower, mask);
  }
  return layers;
}

}  // namespace sarsweep::trainer
