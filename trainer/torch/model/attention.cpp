#include "trainer/torch/model/attention.h"

#include <ATen/ops/scaled_dot_product_attention.h>

namespace sarsweep::trainer {
namespace {

// [B,S,H·D] -> [B,H,S,D], a view.
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

}  // namespace

Attention::Attention(Component& owner, const std::string& name, const Options& options)
    : query(owner.add_linear(name + "." + options.projections[0], options.width, options.width,
                             options.qkv_bias)),
      key(owner.add_linear(name + "." + options.projections[1], options.context_width,
                           options.width, options.qkv_bias)),
      value(owner.add_linear(name + "." + options.projections[2], options.context_width,
                             options.width, options.qkv_bias)),
      out(owner.add_linear(name + "." + options.projections[3], options.width, options.width,
                           true)),
      heads(options.heads) {}

at::Tensor Attention::operator()(const at::Tensor& x, const at::Tensor& context, Mask mask) const {
  const at::Tensor q = split_heads((*query)(x), heads);
  const at::Tensor k = split_heads((*key)(context), heads);
  const at::Tensor v = split_heads((*value)(context), heads);
  const at::Tensor y = at::scaled_dot_product_attention(q, k, v, std::nullopt, /*dropout_p=*/0.0,
                                                        mask == Mask::causal);
  return (*out)(y.transpose(1, 2).reshape(x.sizes()));
}

}  // namespace sarsweep::trainer
