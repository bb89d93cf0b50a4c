#include "trainer/torch/model/lora_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include "trainer/torch/model/base_layer.h"

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

// Positions of the arguments of forward, and of their gradients. The bias comes after the other
// tensors: needs_input_grad counts tensors alone, so an absent one would shift those behind it.
enum Argument : std::size_t { kX, kWeight, kDown, kUp, kBias, kScale, kArguments };

struct LoraLinear : torch::autograd::Function<LoraLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& down, const at::Tensor& up,
                            const std::optional<at::Tensor>& bias, double scale) {
    const at::Tensor rows = rows_of(x);
    const at::Tensor inner = at::mm(rows, down.to(x.scalar_type()).t());
    at::Tensor y = at::linear(rows, weight.to(x.scalar_type()), bias);
    y.addmm_(inner, up.to(x.scalar_type()).t(), 1, scale);
    ctx->save_for_backward({rows, inner, weight, down, up});
    ctx->saved_data["scale"] = scale;
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return y.view(shape);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    const tensor_list saved = ctx->get_saved_variables();
    const at::Tensor &rows = saved[0], &inner = saved[1];
    const at::Tensor weight = saved[2].to(rows.scalar_type());
    const at::Tensor down = saved[3].to(rows.scalar_type());
    const at::Tensor up = saved[4].to(rows.scalar_type());
    const double scale = ctx->saved_data["scale"].toDouble();
    const at::Tensor grad = rows_of(grads[0]);
    const at::Tensor inner_grad = at::mm(grad, up).mul_(scale);
    tensor_list result(kArguments);
    if (ctx->needs_input_grad(kX)) {
      std::vector<std::int64_t> shape = grads[0].sizes().vec();
      shape.back() = weight.size(1);
      result[kX] = at::mm(grad, weight).addmm_(inner_grad, down).view(shape);
    }
    if (ctx->needs_input_grad(kDown)) result[kDown] = at::mm(inner_grad.t(), rows);
    if (ctx->needs_input_grad(kUp)) result[kUp] = at::mm(grad.t(), inner).mul_(scale);
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
  const bool frozen = !weight.requires_grad() && !(bias && bias->requires_grad());
  if (frozen) {
    return LoraLinear::apply(x, weight, adapter.down, adapter.up, bias, adapter.scale());
  }
  const at::Tensor inner = at::linear(x, adapter.down.to(x.scalar_type()));
  const at::Tensor branch = at::linear(inner, adapter.up.to(x.scalar_type()));
  return at::add(at::linear(x, weight.to(x.scalar_type()), bias), branch, adapter.scale());
}

}  // namespace sarsweep::trainer
