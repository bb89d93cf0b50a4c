#include "trainer/torch/model/component.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ATen/ops/conv2d.h>
#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "trainer/torch/model/base_layer.h"
#include "trainer/torch/model/lora_linear.h"

namespace sarsweep::trainer {
namespace {

at::Tensor convolve(const at::Tensor& x, const at::Tensor& factor, std::int64_t stride,
                    std::int64_t padding) {
  return at::conv2d(x, factor, at::Tensor(), {stride, stride}, {padding, padding});
}

}  // namespace

at::Tensor Layer::operator()(const at::Tensor& x) const {
  if (weight.dim() == 2 && adapter) return lora_linear(x, *this);
  at::Tensor y = base_layer(x, *this);
  if (!adapter) return y;
  const at::Tensor down = adapter->compute_down.of(adapter->down, x.scalar_type());
  const at::Tensor up = adapter->compute_up.of(adapter->up, x.scalar_type());
  const at::Tensor branch = convolve(convolve(x, down, stride, padding), up, 1, 0);
  return at::add(y, branch, adapter->scale());
}

at::Tensor Component::parameter(std::string_view name) const {
  for (const auto& [known, tensor] : parameters_) {
    if (known == name) return tensor;
  }
  throw Error(ErrorCode::not_found, fmt::format("no parameter is named '{}'", name));
}

std::vector<Layer*> Component::layers() {
  std::vector<Layer*> all;
  all.reserve(layers_.size());
  for (const auto& layer : layers_) all.push_back(layer.get());
  return all;
}

Layer& Component::layer(std::string_view name) {
  for (const auto& layer : layers_) {
    if (layer->name == name) return *layer;
  }
  throw Error(ErrorCode::not_found, fmt::format("no layer is named '{}'", name));
}

void Component::set(std::string_view name, const at::Tensor& value) {
  const at::Tensor target = parameter(name);
  if (target.sizes() != value.sizes()) {
    throw Error(ErrorCode::invalid,
                fmt::format("tensor '{}' has shape [{}], the configuration makes it [{}]", name,
                            fmt::join(value.sizes(), ", "), fmt::join(target.sizes(), ", ")));
  }
  const c10::NoGradGuard no_grad;
  target.copy_(value);
}

void Component::require_grad(bool on) {
  for (auto& [name, tensor] : parameters_) tensor.set_requires_grad(on);
}

// set_data keeps the identity of the tensor, so that the handles of the layers follow.
void Component::to(at::Device device, at::ScalarType dtype) {
  const c10::NoGradGuard no_grad;
  for (auto& [name, tensor] : parameters_) tensor.set_data(tensor.to(device, dtype));
  for (at::Tensor& tensor : companions_) tensor.set_data(tensor.to(device));
  for (const auto& layer : layers_) {
    layer->compute.forget();
    layer->compute_bias.forget();
    if (!layer->adapter) continue;
    layer->adapter->compute_down.forget();
    layer->adapter->compute_up.forget();
    layer->adapter->down.set_data(layer->adapter->down.to(device));
    layer->adapter->up.set_data(layer->adapter->up.to(device));
  }
}

at::Tensor Component::add_parameter(const std::string& name, at::IntArrayRef shape) {
  parameters_.emplace_back(name, at::empty(shape, at::device(device_).dtype(at::kFloat)));
  return parameters_.back().second;
}

Layer* Component::add_layer(const std::string& name, const at::Tensor& weight) {
  layers_.push_back(std::make_unique<Layer>());
  layers_.back()->name = name;
  layers_.back()->weight = weight;
  return layers_.back().get();
}

Layer* Component::add_linear(const std::string& name, std::int64_t in, std::int64_t out,
                             bool bias) {
  Layer* layer = add_layer(name, add_parameter(name + ".weight", {out, in}));
  if (bias) layer->bias = add_parameter(name + ".bias", {out});
  return layer;
}

// Tensors of their own on one storage, not views of one tensor: each is a leaf with its own
// history.
std::vector<Layer*> Component::add_adjacent(const std::vector<std::string>& names, std::int64_t in,
                                            std::int64_t out) {
  const at::TensorOptions options = at::device(device_).dtype(at::kFloat);
  const at::Tensor all = at::empty({static_cast<std::int64_t>(names.size()), out, in}, options);
  std::vector<Layer*> layers;
  for (const std::string& name : names) {
    const auto row = static_cast<std::int64_t>(layers.size());
    const at::Tensor weight =
        at::empty({0}, options).set_(all.storage(), row * out * in, {out, in}, {in, 1});
    parameters_.emplace_back(name + ".weight", weight);
    layers.push_back(add_layer(name, weight));
  }
  return layers;
}

Layer* Component::add_conv(const std::string& name, std::int64_t in, std::int64_t out,
                           std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  Layer* layer = add_layer(name, add_parameter(name + ".weight", {out, in, kernel, kernel}));
  layer->bias = add_parameter(name + ".bias", {out});
  layer->stride = stride;
  layer->padding = padding;
  return layer;
}

}  // namespace sarsweep::trainer
