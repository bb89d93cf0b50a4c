#include "trainer/torch/model/compute_copy.h"

#include <torch/csrc/autograd/custom_function.h>

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

}  // namespace

at::Tensor ComputeCopy::of(const at::Tensor& weight, at::ScalarType type) {
  if (weight.scalar_type() == type || !weight.requires_grad() || !c10::GradMode::is_enabled()) {
    return weight.to(type);
  }
  const auto version = static_cast<std::int64_t>(weight._version());
  if (!copy_.defined() || copy_.scalar_type() != type || version != version_) {
    copy_ = weight.detach().to(type);
    version_ = version;
  }
  return StandIn::apply(weight, copy_);
}

}  // namespace sarsweep::trainer
