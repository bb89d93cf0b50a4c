#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trainer/torch/model/compute_copy.h"

namespace sarsweep::trainer {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// A low-rank adapter: y += scale * up(down(x)). fp32 always.
struct Adapter {
  at::Tensor down;  // lora_A: [r, in] or [r, in, k, k]
  at::Tensor up;    // lora_B: [out, r] or [out, r, 1, 1]
  std::int64_t rank = 0;
  double alpha = 0;
  mutable ComputeCopy compute_down = {}, compute_up = {};
  double scale() const { return alpha / static_cast<double>(rank); }
};

// A Linear or Conv2d: what an adapter can be attached to. `weight` and `bias` are handles to the
// component's parameters: changing them in place changes the forward pass. Computes in the type of
// its input, to which parameters and adapters are cast; gradients come back in their own.
struct Layer {
  std::string name;   // module path: "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
  at::Tensor weight;  // [out, in] or [out, in, k, k]
  at::Tensor bias;    // [out], or undefined
  std::int64_t stride = 1, padding = 0;  // of a convolution
  std::optional<Adapter> adapter;
  mutable ComputeCopy compute, compute_bias;

  at::Tensor operator()(
      const at::Tensor& x) const;  // linear over the last axis, or NCHW convolution
};

// A part of the pipeline: parameters under diffusers' names in order of creation, and the layers
// that take adapters. Owned by one thread. Layers live as long as the component and never move.
class Component {
 public:
  // On at::kMeta parameters have names and shapes but no memory: for counting and for comparing
  // names.
  explicit Component(at::Device device = at::kCPU) : device_(device) {}
  Component(Component&&) = default;
  Component& operator=(Component&&) = default;

  const NamedTensors& parameters() const { return parameters_; }
  at::Tensor parameter(std::string_view name) const;  // Throws Error(not_found).
  std::vector<Layer*> layers();
  Layer& layer(std::string_view name);  // Throws Error(not_found).
  // Copies `value` into the parameter (dtype converted). Throws Error(invalid) on another shape.
  void set(std::string_view name, const at::Tensor& value);
  // Sets requires_grad of every parameter (not of adapters).
  void require_grad(bool on);
  void to(at::Device device, at::ScalarType dtype);

  // For builders (unet.cpp, autoencoder.cpp, clip_text.cpp): uninitialised fp32 on the device.
  at::Tensor add_parameter(const std::string& name, at::IntArrayRef shape);
  Layer* add_linear(const std::string& name, std::int64_t in, std::int64_t out, bool bias);
  // Linear layers without bias that read the same input: their weights lie one after another.
  std::vector<Layer*> add_adjacent(const std::vector<std::string>& names, std::int64_t in,
                                   std::int64_t out);
  Layer* add_conv(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel,
                  std::int64_t stride, std::int64_t padding);

 protected:
  std::vector<at::Tensor> companions_;  // move with the parameters, fp32 always

 private:
  Layer* add_layer(const std::string& name, const at::Tensor& weight);

  at::Device device_;  // where add_parameter allocates
  NamedTensors parameters_;
  std::vector<std::unique_ptr<Layer>> layers_;
};

enum class LoraInit { kaiming, gaussian };

// Attaches fresh adapters (up = 0) to the layers that `targets` names for a component kind:
// UNet: attn (to_q,k,v,to_out.0), attn_ff (+ ff), attn_conv (attn + conv1, conv2 of resnets),
// transformer (every linear of a Transformer2D), transformer_conv (+ every conv and time_emb_proj
// of resnets, samplers); text encoders: attn (q,k,v,out_proj), attn_mlp (+ fc1, fc2). The draws
// come from RandomStream(seed, "lora_init", hash of the layer's name).
enum class ComponentKind { unet, text_encoder };
void attach_adapters(Component& component, ComponentKind kind, const std::string& targets,
                     std::int64_t rank, double alpha, LoraInit init, std::uint64_t seed);
// weight += scale * up·down for every adapter, which is then removed; in fp32.
void merge_adapters(Component& component);

}  // namespace sarsweep::trainer
