#include "trainer/torch/model/norm.h"

#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>

namespace sarsweep::trainer {

GroupNorm::GroupNorm(Component& owner, const std::string& name, std::int64_t channels,
                     std::int64_t group_count, double epsilon)
    : weight(owner.add_parameter(name + ".weight", {channels})),
      bias(owner.add_parameter(name + ".bias", {channels})),
      groups(group_count),
      eps(epsilon) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  return at::group_norm(x, groups, weight.to(x.scalar_type()), bias.to(x.scalar_type()), eps);
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
