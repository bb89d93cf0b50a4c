#include "trainer/torch/model/geglu_node.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "trainer/kernels/geglu.h"
#include "trainer/torch/model/matrix_product.h"

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr std::int64_t kTask = 4096;  // numbers that a thread is worth waking for

std::int64_t rows_of_a_task(std::int64_t width) { return std::max<std::int64_t>(1, kTask / width); }

struct Geglu : torch::autograd::Function<Geglu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& projected) {
    ctx->save_for_backward({projected});
    std::vector<std::int64_t> shape = projected.sizes().vec();
    shape.back() /= 2;
    return geglu_rows(rows_of(projected)).view(shape);
  }
  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    const at::Tensor projected = ctx->get_saved_variables()[0];
    return {geglu_rows_backward(rows_of(grads[0]), rows_of(projected)).view(projected.sizes())};
  }
};

}  // namespace

at::Tensor geglu(const at::Tensor& projected) {
  if (projected.is_cpu() && projected.scalar_type() == at::kFloat) return Geglu::apply(projected);
  const std::vector<at::Tensor> halves = projected.chunk(2, -1);
  return halves[0] * at::gelu(halves[1]);
}

at::Tensor geglu_rows(const at::Tensor& projected) {
  RECORD_FUNCTION("sarsweep::geglu", std::vector<c10::IValue>());
  const at::Tensor from = projected.contiguous();
  const std::int64_t width = from.size(1) / 2;
  at::Tensor y = at::empty({from.size(0), width}, from.options());
  const float* in = from.const_data_ptr<float>();
  float* out = y.mutable_data_ptr<float>();
  at::parallel_for(0, from.size(0), rows_of_a_task(width),
                   [&](std::int64_t begin, std::int64_t end) {
                     geglu(in + 2 * begin * width, out + begin * width, end - begin, width);
                   });
  return y;
}

at::Tensor geglu_rows_backward(const at::Tensor& of_y, const at::Tensor& projected) {
  RECORD_FUNCTION("sarsweep::geglu_backward", std::vector<c10::IValue>());
  const at::Tensor grad = of_y.contiguous(), from = projected.contiguous();
  const std::int64_t width = grad.size(1);
  at::Tensor result = at::empty_like(from);
  const float* of = grad.const_data_ptr<float>();
  const float* in = from.const_data_ptr<float>();
  float* out = result.mutable_data_ptr<float>();
  at::parallel_for(0, grad.size(0), rows_of_a_task(width),
                   [&](std::int64_t begin, std::int64_t end) {
                     geglu_backward(of + begin * width, in + 2 * begin * width,
                                    out + 2 * begin * width, end - begin, width);
                   });
  return result;
}

}  // namespace sarsweep::trainer
