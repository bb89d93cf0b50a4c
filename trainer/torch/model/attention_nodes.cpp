#include "trainer/torch/model/attention_nodes.h"

#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/csrc/autograd/custom_function.h>

#include "trainer/torch/model/projections.h"

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

struct Attend : torch::autograd::Function<Attend> {
  enum Argument : std::size_t { kQ, kK, kV, kHeads, kArguments };

  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, std::int64_t heads) {
    const AttentionPass pass = attention_forward(
        {split_heads(q, heads), split_heads(k, heads), split_heads(v, heads)}, Mask::none);
    ctx->save_for_backward({pass.inputs.q, pass.inputs.k, pass.inputs.v, pass.scores});
    ctx->saved_data["heads"] = heads;
    return join_heads(pass.y);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    const tensor_list saved = ctx->get_saved_variables();
    const at::Tensor grad = split_heads(grads[0], ctx->saved_data["heads"].toInt());
    const Projections of =
        attention_backward({{}, {saved[0], saved[1], saved[2]}, saved[3]}, grad, Mask::none);
    tensor_list result(kArguments);
    result[kQ] = join_heads(of.q);
    result[kK] = join_heads(of.k);
    result[kV] = join_heads(of.v);
    return result;
  }
};

}  // namespace

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads,
                  Mask mask) {
  if (keeps_scores(q, k, mask)) return Attend::apply(q, k, v, heads);
  const auto by_head = [&](const at::Tensor& x) { return split_heads(x, heads).transpose(1, 2); };
  const at::Tensor y = at::scaled_dot_product_attention(
      by_head(q), by_head(k), by_head(v), std::nullopt, /*dropout_p=*/0.0, mask == Mask::causal);
  return join_heads(y.transpose(1, 2));
}

}  // namespace sarsweep::trainer
