#include "trainer/torch/model/compute_copy.h"

#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include <c10/core/GradMode.h>

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// The identity, as the graph sees it: from the weight to its copy.
struct StandIn : torch::autograd::Function<StandIn> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& weight,
                            const at::Tensor& copy) {
    ctx->saved_data["type"] = static_cast<std::int64_t>(weight.scalar_type());
    return copy.detach();
  }
  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    const auto type = static_cast<at::ScalarType>(ctx->saved_data["type"].toInt());
    return {grads[0].to(type), at::Tensor()};
  }
};

std::int64_t version_of(const at::Tensor& weight) {
  return static_cast<std::int64_t>(weight._version());
}

}  // namespace

at::Tensor ComputeCopy::of(const at::Tensor& weight, at::ScalarType type) {
  if (weight.scalar_type() == type || !weight.requires_grad()) return weight.to(type);
  const bool fits = copy_.defined() && copy_.scalar_type() == type;
  const bool current = fits && version_ == version_of(weight);
  if (!c10::GradMode::is_enabled()) return current ? copy_ : weight.to(type);
  if (!current) {
    const c10::NoGradGuard no_grad;
    lent_ = lent_ && fits;
    if (lent_) {
      copy_.copy_(weight);
    } else {
      copy_ = weight.detach().to(type);
    }
    version_ = version_of(weight);
  }
  return StandIn::apply(weight, copy_);
}

void ComputeCopy::lie_in(at::Tensor memory) {
  copy_ = std::move(memory);
  lent_ = true;
  version_ = kNever;
}

bool ComputeCopy::is_current(const at::Tensor& weight, const at::Tensor& memory) const {
  return lent_ && copy_.is_same(memory) && version_ == version_of(weight);
}

void ComputeCopy::follow(const at::Tensor& weight) { version_ = version_of(weight); }

}  // namespace sarsweep::trainer
