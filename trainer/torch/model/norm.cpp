#include "trainer/torch/model/norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/silu.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "trainer/kernels/group_norm.h"

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

GroupNormShape shape_of(const at::Tensor& x, std::int64_t groups, double eps, bool silu) {
  return {x.size(0), x.size(1), x.numel() / (x.size(0) * x.size(1)), groups, eps, silu};
}

// One pass of memory for the norm and what follows it; fp32 on a CPU.
struct NormedGroups : torch::autograd::Function<NormedGroups> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& input, const at::Tensor& weight,
                            const at::Tensor& bias, std::int64_t groups, double eps, bool silu) {
    RECORD_FUNCTION("sarsweep::group_norm", std::vector<c10::IValue>());
    const at::Tensor x = input.contiguous();
    const GroupNormShape shape = shape_of(x, groups, eps, silu);
    at::Tensor y = at::empty_like(x), mean = at::empty({shape.items()}, x.options()),
               rstd = at::empty({shape.items()}, x.options());
    at::parallel_for(0, shape.items(), 1, [&](std::int64_t begin, std::int64_t end) {
      group_norm(shape, x.const_data_ptr<float>(), weight.const_data_ptr<float>(),
                 bias.const_data_ptr<float>(), y.mutable_data_ptr<float>(),
                 mean.mutable_data_ptr<float>(), rstd.mutable_data_ptr<float>(), begin, end);
    });
    ctx->save_for_backward({x, weight, bias, mean, rstd});
    ctx->saved_data["groups"] = groups;
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["silu"] = silu;
    return y;
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    RECORD_FUNCTION("sarsweep::group_norm_backward", std::vector<c10::IValue>());
    const tensor_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor grad = grads[0].contiguous();
    const GroupNormShape shape =
        shape_of(x, ctx->saved_data["groups"].toInt(), ctx->saved_data["eps"].toDouble(),
                 ctx->saved_data["silu"].toBool());
    at::Tensor of_x = at::empty_like(x),
               of_weight = at::empty({shape.batch, shape.channels}, x.options()),
               of_bias = at::empty({shape.batch, shape.channels}, x.options());
    const GroupNormGradients of = {of_x.mutable_data_ptr<float>(),
                                   of_weight.mutable_data_ptr<float>(),
                                   of_bias.mutable_data_ptr<float>()};
    at::parallel_for(0, shape.items(), 1, [&](std::int64_t begin, std::int64_t end) {
      group_norm_backward(shape, grad.const_data_ptr<float>(), x.const_data_ptr<float>(),
                          weight.const_data_ptr<float>(), saved[2].const_data_ptr<float>(),
                          saved[3].const_data_ptr<float>(), saved[4].const_data_ptr<float>(), of,
                          begin, end);
    });
    tensor_list result(6);
    result[0] = of_x;
    if (ctx->needs_input_grad(1)) result[1] = of_weight.sum(0);
    if (ctx->needs_input_grad(2)) result[2] = of_bias.sum(0);
    return result;
  }
};

}  // namespace

GroupNorm::GroupNorm(Component& owner, const std::string& name, std::int64_t channels,
                     std::int64_t group_count, double epsilon)
    : weight(owner.add_parameter(name + ".weight", {channels})),
      bias(owner.add_parameter(name + ".bias", {channels})),
      groups(group_count),
      eps(epsilon) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const { return normed(x, false); }

at::Tensor GroupNorm::silu(const at::Tensor& x) const { return normed(x, true); }

at::Tensor GroupNorm::normed(const at::Tensor& x, bool activated) const {
  if (x.is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat) {
    return NormedGroups::apply(x, weight, bias, groups, eps, activated);
  }
  const at::Tensor y =
      at::group_norm(x, groups, weight.to(x.scalar_type()), bias.to(x.scalar_type()), eps);
  return activated ? at::silu(y) : y;
}

LayerNorm::LayerNorm(Component& owner, const std::string& name, std::int64_t width, double epsilon)
    : weight(owner.add_parameter(name + ".weight", {width})),
      bias(owner.add_parameter(name + ".bias", {width})),
      eps(epsilon) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight.to(x.scalar_type()), bias.to(x.scalar_type()),
                        eps);
}

}  // namespace sarsweep::trainer
