#include "trainer/torch/model/lora_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <torch/csrc/autograd/custom_function.h>

#include "trainer/torch/model/base_layer.h"
#include "trainer/torch/model/dense_linear.h"
#include "trainer/torch/model/matrix_product.h"

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// Positions of the arguments of forward, and of their gradients. The bias comes after the other
// tensors: needs_input_grad counts tensors alone, so an absent one would shift those behind it.
enum Argument : std::size_t { kX, kWeight, kDown, kUp, kBias, kScale, kArguments };

struct LoraLinear : torch::autograd::Function<LoraLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& down, const at::Tensor& up,
                            const std::optional<at::Tensor>& bias, double scale) {
    const at::Tensor rows = rows_of(x);
    const at::Tensor inner = affine(rows, down, std::nullopt);
    at::Tensor y = affine(rows, weight.to(x.scalar_type()), bias);
    add_product(y, inner, up.t(), scale);
    ctx->save_for_backward({rows, inner, weight, down, up});
    ctx->saved_data["scale"] = scale;
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return y.view(shape);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    const tensor_list saved = ctx->get_saved_variables();
    const at::Tensor &rows = saved[0], &inner = saved[1], &down = saved[3], &up = saved[4];
    const at::Tensor weight = saved[2].to(rows.scalar_type());
    const double scale = ctx->saved_data["scale"].toDouble();
    const at::Tensor grad = rows_of(grads[0]);
    const at::Tensor inner_grad = product(grad, up).mul_(scale);
    tensor_list result(kArguments);
    if (ctx->needs_input_grad(kX)) {
      std::vector<std::int64_t> shape = grads[0].sizes().vec();
      shape.back() = weight.size(1);
      at::Tensor of_rows = product(grad, weight);
      add_product(of_rows, inner_grad, down);
      result[kX] = of_rows.view(shape);
    }
    if (ctx->needs_input_grad(kDown)) result[kDown] = product(inner_grad.t(), rows);
    if (ctx->needs_input_grad(kUp)) result[kUp] = product(grad.t(), inner).mul_(scale);
    return result;
  }
};

}  // namespace

at::Tensor lora_linear(const at::Tensor& x, const Layer& layer) {
  const Adapter& adapter = *layer.adapter;
  // A narrow weight is cast in each pass anew (base_layer.h).
  const at::Tensor weight =
      is_narrow(layer.weight) ? layer.weight : layer.weight.to(x.scalar_type());
  const std::optional<at::Tensor> bias =
      layer.bias.defined() ? std::optional(layer.bias.to(x.scalar_type())) : std::nullopt;
  const at::Tensor down = adapter.compute_down.of(adapter.down, x.scalar_type());
  const at::Tensor up = adapter.compute_up.of(adapter.up, x.scalar_type());
  const bool frozen = !weight.requires_grad() && !(bias && bias->requires_grad());
  if (frozen) return LoraLinear::apply(x, weight, down, up, bias, adapter.scale());
  const at::Tensor branch = dense_linear(dense_linear(x, down, std::nullopt), up, std::nullopt);
  return at::add(dense_linear(x, weight.to(x.scalar_type()), bias), branch, adapter.scale());
}

}  // namespace sarsweep::trainer
