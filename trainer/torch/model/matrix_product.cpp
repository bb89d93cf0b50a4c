#include "trainer/torch/model/matrix_product.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/record_function.h>

#include <string_view>
#include <vector>

#include <c10/util/Exception.h>

// LibTorch exports this and ships no header of it: result = beta·result + alpha·a·b.
namespace at::native {
TORCH_API void mkldnn_matmul(const Tensor& a, const Tensor& b, const Tensor& result, float beta,
                             float alpha);
}  // namespace at::native

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kLeast = std::int64_t{1} << 21;  // multiplications (docs/benchmarks.md)

using Pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                             std::string_view, c10::List<std::optional<at::Scalar>>,
                             std::optional<std::string_view>);

// The registered operator that LibTorch's own compiler calls for a linear layer.
const auto& linear_pointwise() {
  static const auto handle = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                                 .typed<Pointwise>();
  return handle;
}

// oneDNN refuses a processor whose vector unit it has no kernels for.
bool takes_fp32() {
  static const bool takes = [] {
    if (!at::globalContext().hasMKLDNN()) return false;
    try {
      const at::Tensor one = at::ones({1, 1}, at::kFloat);
      at::native::mkldnn_matmul(one, one, at::empty({1, 1}, at::kFloat), 0, 1);
      linear_pointwise();
    } catch (const c10::Error&) {
      return false;
    }
    return true;
  }();
  return takes;
}

// Seen by a profile, as an operator is.
void multiply(const at::Tensor& a, const at::Tensor& b, const at::Tensor& y, double keep,
              double scale) {
  RECORD_FUNCTION("sarsweep::product", std::vector<c10::IValue>());
  at::native::mkldnn_matmul(a, b, y, static_cast<float>(keep), static_cast<float>(scale));
}

}  // namespace

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

bool is_faster_here(const at::Tensor& a, const at::Tensor& b, std::int64_t multiplications) {
  return multiplications >= kLeast && a.is_cpu() && a.scalar_type() == at::kFloat &&
         b.scalar_type() == at::kFloat && takes_fp32();
}

at::Tensor affine(const at::Tensor& x, const at::Tensor& weight,
                  const std::optional<at::Tensor>& bias) {
  if (!is_faster_here(x, weight, x.numel() * weight.size(0))) return at::linear(x, weight, bias);
  const c10::List<std::optional<at::Scalar>> no_scalars;
  return linear_pointwise().call(x, weight, bias, "none", no_scalars, "");
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  if (!is_faster_here(a, b, a.numel() * b.size(1))) return at::mm(a, b);
  at::Tensor y = at::empty({a.size(0), b.size(1)}, a.options());
  multiply(a, b, y, 0, 1);
  return y;
}

void add_product(at::Tensor& y, const at::Tensor& a, const at::Tensor& b, double scale) {
  if (!is_faster_here(a, b, a.numel() * b.size(1))) {
    y.addmm_(a, b, 1, scale);
    return;
  }
  multiply(a, b, y, 1, scale);
}

at::Tensor batched_product(const at::Tensor& a, const at::Tensor& b, double scale) {
  if (!is_faster_here(a, b, a.numel() * b.size(2))) return at::bmm(a, b).mul_(scale);
  at::Tensor y = at::empty({a.size(0), a.size(1), b.size(2)}, a.options());
  multiply(a, b, y, 0, scale);
  return y;
}

}  // namespace sarsweep::trainer
