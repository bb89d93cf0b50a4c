#include "trainer/torch/model/attention_core.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>

#include <cmath>

#include "trainer/torch/model/matrix_product.h"

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kMostScores = 512 * 512;  // of a head
// A flash kernel is one call: the several of kept scores must be worth it.
constexpr std::int64_t kCalls = 4;

// [B,S,H,D] -> [B·H,S,D]
at::Tensor by_head(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0) * x.size(2), x.size(1), x.size(3)});
}

// The inverse, a view.
at::Tensor by_token(const at::Tensor& x, std::int64_t batch) {
  return x.view({batch, x.size(0) / batch, x.size(1), x.size(2)}).transpose(1, 2);
}

double scale_of(const at::Tensor& q) { return 1 / std::sqrt(static_cast<double>(q.size(-1))); }

AttentionPass keep_scores(const Projections& inputs) {
  const Projections heads = {by_head(inputs.q), by_head(inputs.k), by_head(inputs.v)};
  const at::Tensor scores =
      at::_softmax(batched_product(heads.q, heads.k.transpose(1, 2), scale_of(heads.q)), -1,
                   /*half_to_float=*/false);
  const at::Tensor y = by_token(batched_product(scores, heads.v), inputs.q.size(0));
  return {y, heads, scores};
}

Projections backward_of_scores(const AttentionPass& pass, const at::Tensor& grad) {
  const auto& [q, k, v] = pass.inputs;
  const std::int64_t batch = grad.size(0);
  const at::Tensor of_y = by_head(grad);
  const at::Tensor of_scores = at::_softmax_backward_data(
      batched_product(of_y, v.transpose(1, 2)), pass.scores, -1, pass.scores.scalar_type());
  const double scale = scale_of(q);
  return {by_token(batched_product(of_scores, k, scale), batch),
          by_token(batched_product(of_scores.transpose(1, 2), q, scale), batch),
          by_token(batched_product(pass.scores.transpose(1, 2), of_y), batch)};
}

}  // namespace

bool keeps_scores(const at::Tensor& q, const at::Tensor& k, Mask mask) {
  return mask == Mask::none && q.size(1) * k.size(1) <= kMostScores &&
         is_faster_here(q, k, q.numel() * k.size(1) / kCalls);
}

AttentionPass attention_forward(const Projections& inputs, Mask mask) {
  if (keeps_scores(inputs.q, inputs.k, mask)) return keep_scores(inputs);
  const Projections heads = {inputs.q.transpose(1, 2), inputs.k.transpose(1, 2),
                             inputs.v.transpose(1, 2)};
  const auto [y, sums] = at::_scaled_dot_product_flash_attention_for_cpu(
      heads.q, heads.k, heads.v, /*dropout_p=*/0.0, mask == Mask::causal);
  return {y.transpose(1, 2), heads, sums};
}

Projections attention_backward(const AttentionPass& pass, const at::Tensor& grad, Mask mask) {
  const auto& [q, k, v] = pass.inputs;
  if (q.dim() == 3) return backward_of_scores(pass, grad);
  const auto [of_q, of_k, of_v] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      grad.transpose(1, 2), q, k, v, pass.y.transpose(1, 2), pass.scores, /*dropout_p=*/0.0,
      mask == Mask::causal);
  return {of_q.transpose(1, 2), of_k.transpose(1, 2), of_v.transpose(1, 2)};
}

}  // namespace sarsweep::trainer
