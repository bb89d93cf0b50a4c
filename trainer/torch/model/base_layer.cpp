#include "trainer/torch/model/base_layer.h"

#include <ATen/ops/convolution_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <optional>
#include <vector>

#include <ATen/ops/conv2d.h>
#include <c10/core/GradMode.h>

#include "trainer/torch/model/dense_linear.h"
#include "trainer/torch/model/matrix_product.h"

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// How far and with what border a convolution steps; unused of a linear layer.
struct Steps {
  std::int64_t stride, padding;
};

// All of x's type; the bias may be undefined.
at::Tensor pass(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                Steps steps) {
  if (weight.dim() == 2) {
    return dense_linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
  }
  return at::conv2d(x, weight, bias, {steps.stride, steps.stride}, {steps.padding, steps.padding});
}

// One node that keeps the narrow weight. Of its five arguments only the first has a gradient.
struct NarrowLayer : torch::autograd::Function<NarrowLayer> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, std::int64_t stride,
                            std::int64_t padding) {
    const bool linear = weight.dim() == 2;
    ctx->save_for_backward({weight, linear ? at::Tensor() : x});
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["padding"] = padding;
    return pass(x, weight.to(x.scalar_type()), bias ? bias->to(x.scalar_type()) : at::Tensor(),
                {stride, padding});
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    const tensor_list saved = ctx->get_saved_variables();
    const at::Tensor weight = saved[0].to(grads[0].scalar_type());
    tensor_list result(5);
    at::Tensor& of_x = result.front();
    if (weight.dim() == 2) {
      const at::Tensor rows = rows_of(grads[0]);
      std::vector<std::int64_t> shape = grads[0].sizes().vec();
      shape.back() = weight.size(1);
      of_x = product(rows, weight).view(shape);
      return result;
    }
    const std::array<std::int64_t, 2> one = {1, 1}, zero = {0, 0};
    const std::int64_t stride = ctx->saved_data["stride"].toInt();
    const std::int64_t padding = ctx->saved_data["padding"].toInt();
    of_x = std::get<0>(at::convolution_backward(
        grads[0], saved[1], weight, std::nullopt, {stride, stride}, {padding, padding}, one,
        /*transposed=*/false, zero, /*groups=*/1, {true, false, false}));
    return result;
  }
};

bool trains(const Layer& layer) {
  return layer.weight.requires_grad() || (layer.bias.defined() && layer.bias.requires_grad());
}

}  // namespace

at::Tensor base_layer(const at::Tensor& x, const Layer& layer) {
  const bool cast = layer.weight.scalar_type() != x.scalar_type();
  if (cast && is_narrow(layer.weight) && x.requires_grad() && c10::GradMode::is_enabled() &&
      !trains(layer)) {
    const std::optional<at::Tensor> bias =
        layer.bias.defined() ? std::optional(layer.bias) : std::nullopt;
    return NarrowLayer::apply(x, layer.weight, bias, layer.stride, layer.padding);
  }
  const at::Tensor bias =
      layer.bias.defined() ? layer.compute_bias.of(layer.bias, x.scalar_type()) : layer.bias;
  return pass(x, layer.compute.of(layer.weight, x.scalar_type()), bias,
              {layer.stride, layer.padding});
}

bool is_narrow(const at::Tensor& weight) { return weight.element_size() == sizeof(at::Half); }

void hold_narrow(Component& component) {
  const c10::NoGradGuard no_grad;
  for (Layer* layer : component.layers()) {
    if (trains(*layer) || layer->weight.scalar_type() != at::kFloat) continue;
    for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
      const at::Tensor narrow = layer->weight.to(type);
      if (!narrow.to(at::kFloat).equal(layer->weight)) continue;
      layer->weight.set_data(narrow);
      break;
    }
  }
}

}  // namespace sarsweep::trainer
