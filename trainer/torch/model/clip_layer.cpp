#include "trainer/torch/model/clip_layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/sigmoid.h>

namespace sarsweep::trainer {
namespace {

Attention::Options attention_options(const ClipLayerOptions& layer) {
  Attention::Options options;
  options.width = layer.width;
  options.context_width = layer.width;
  options.heads = layer.heads;
  options.qkv_bias = true;
  options.projections = {"q_proj", "k_proj", "v_proj", "out_proj"};
  return options;
}

}  // namespace

ClipLayer::ClipLayer(Component& owner, const std::string& name, const ClipLayerOptions& options)
    : layer_norm1(owner, name + ".layer_norm1", options.width, options.eps),
      self_attn(owner, name + ".self_attn", attention_options(options)),
      layer_norm2(owner, name + ".layer_norm2", options.width, options.eps),
      fc1(owner.add_linear(name + ".mlp.fc1", options.width, options.mlp_width, true)),
      fc2(owner.add_linear(name + ".mlp.fc2", options.mlp_width, options.width, true)),
      quick_gelu(options.quick_gelu),
      mask(options.mask) {}

at::Tensor ClipLayer::operator()(const at::Tensor& x) const {
  const at::Tensor normed = layer_norm1(x);
  const at::Tensor h = x + self_attn(normed, normed, mask);
  const at::Tensor inner = (*fc1)(layer_norm2(h));
  const at::Tensor active = quick_gelu ? inner * at::sigmoid(inner * 1.702) : at::gelu(inner);
  return h + (*fc2)(active);
}

std::vector<ClipLayer> make_clip_layers(Component& owner, const std::string& prefix, int count,
                                        const ClipLayerOptions& options) {
  std::vector<ClipLayer> layers;
  layers.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    layers.emplace_back(owner, prefix + "." + std::to_string(i), options);
  }
  return layers;
}

}  // namespace sarsweep::trainer
