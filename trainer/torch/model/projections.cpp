#include "trainer/torch/model/projections.h"

#include <ATen/ops/cat.h>

#include <optional>

#include "trainer/torch/model/matrix_product.h"

namespace sarsweep::trainer {
namespace {

bool adjacent(const at::Tensor& first, const at::Tensor& second) {
  return first.is_contiguous() && second.is_contiguous() &&
         first.storage().is_alias_of(second.storage()) &&
         first.storage_offset() + first.numel() == second.storage_offset();
}

at::Tensor stacked(const std::vector<at::Tensor>& weights) {
  std::int64_t out = weights.front().size(0);
  for (std::size_t i = 1; i < weights.size(); ++i) {
    if (!adjacent(weights[i - 1], weights[i])) return at::cat(weights);
    out += weights[i].size(0);
  }
  const std::int64_t in = weights.front().size(1);
  return weights.front().as_strided({out, in}, {in, 1});
}

}  // namespace

at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.unflatten(-1, {heads, x.size(-1) / heads});
}

at::Tensor join_heads(const at::Tensor& x) { return x.flatten(2); }

Projected Projected::of(const at::Tensor& rows, const std::vector<at::Tensor>& weights,
                        std::int64_t batch, std::int64_t heads) {
  Projected result{stacked(weights), {}};
  const auto count = static_cast<std::int64_t>(weights.size());
  const at::Tensor product = affine(rows, result.weight, std::nullopt)
                                 .view({batch, rows.size(0) / batch, count, heads, -1});
  for (std::int64_t i = 0; i < count; ++i) result.parts.push_back(product.select(2, i));
  return result;
}

ProjectedGradients ProjectedGradients::of(const at::Tensor& rows, const at::Tensor& weight,
                                          const std::vector<at::Tensor>& parts) {
  std::vector<at::Tensor> joined;
  for (const at::Tensor& part : parts) joined.push_back(join_heads(part));
  const at::Tensor grad = rows_of(joined.size() == 1 ? joined.front() : at::cat(joined, -1));
  ProjectedGradients result;
  if (weight.defined()) result.rows = product(grad, weight);
  if (rows.defined()) {
    const at::Tensor all = product(grad.t(), rows);
    const std::int64_t out = all.size(0) / static_cast<std::int64_t>(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      result.weights.push_back(all.narrow(0, static_cast<std::int64_t>(i) * out, out));
    }
  }
  result.weights.resize(parts.size());
  return result;
}

}  // namespace sarsweep::trainer
