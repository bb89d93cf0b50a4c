#include "trainer/torch/model/dense_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "trainer/torch/model/matrix_product.h"

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

at::Tensor with_width(const at::Tensor& rows, at::IntArrayRef shape) {
  std::vector<std::int64_t> sizes = shape.vec();
  sizes.back() = rows.size(1);
  return rows.view(sizes);
}

// Positions of the arguments of forward, and of their gradients.
enum Argument : std::size_t { kX, kWeight, kBias, kArguments };

struct DenseLinear : torch::autograd::Function<DenseLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    const at::Tensor rows = rows_of(x);
    ctx->save_for_backward(
        {weight.requires_grad() ? rows : at::Tensor(), x.requires_grad() ? weight : at::Tensor()});
    ctx->saved_data["bias"] = bias && bias->requires_grad();
    return with_width(affine(rows, weight, bias), x.sizes());
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    const tensor_list saved = ctx->get_saved_variables();
    const at::Tensor &rows = saved[0], &weight = saved[1];
    const at::Tensor grad = rows_of(grads[0]);
    tensor_list result(kArguments);
    if (weight.defined()) result[kX] = with_width(product(grad, weight), grads[0].sizes());
    if (rows.defined()) result[kWeight] = product(grad.t(), rows);
    if (ctx->saved_data["bias"].toBool()) result[kBias] = grad.sum(0);
    return result;
  }
};

}  // namespace

at::Tensor dense_linear(const at::Tensor& x, const at::Tensor& weight,
                        const std::optional<at::Tensor>& bias) {
  if (!is_faster_here(x, weight, x.numel() * weight.size(0))) return at::linear(x, weight, bias);
  return DenseLinear::apply(x, weight, bias);
}

}  // namespace sarsweep::trainer
