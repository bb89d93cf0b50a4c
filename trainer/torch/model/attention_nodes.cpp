#include "trainer/torch/model/attention_nodes.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "trainer/torch/model/matrix_product.h"

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// [B,S,H·D] -> [B,S,H,D], a view.
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads) {
  return x.unflatten(-1, {heads, x.size(-1) / heads});
}

at::Tensor join_heads(const at::Tensor& x) { return x.flatten(2); }

bool adjacent(const at::Tensor& first, const at::Tensor& second) {
  return first.is_contiguous() && second.is_contiguous() &&
         first.storage().is_alias_of(second.storage()) &&
         first.storage_offset() + first.numel() == second.storage_offset();
}

// [sum of out, in]: where they lie, or a copy.
at::Tensor stacked(const std::vector<at::Tensor>& weights) {
  std::int64_t out = weights.front().size(0);
  for (std::size_t i = 1; i < weights.size(); ++i) {
    if (!adjacent(weights[i - 1], weights[i])) return at::cat(weights);
    out += weights[i].size(0);
  }
  const std::int64_t in = weights.front().size(1);
  return weights.front().as_strided({out, in}, {in, 1});
}

// What becomes of one input through all projections that read it.
struct Projected {
  at::Tensor rows;                // [n,in]
  at::Tensor weight;              // [outs,in]
  std::vector<at::Tensor> parts;  // [B,S,H,D] each, views of one product

  static Projected of(const at::Tensor& x, const std::vector<at::Tensor>& weights,
                      std::int64_t heads) {
    Projected result{rows_of(x), stacked(weights), {}};
    const auto count = static_cast<std::int64_t>(weights.size());
    const at::Tensor product = affine(result.rows, result.weight, std::nullopt)
                                   .view({x.size(0), x.size(1), count, heads, -1});
    for (std::int64_t i = 0; i < count; ++i) result.parts.push_back(product.select(2, i));
    return result;
  }
};

// Gradients of the rows and of the stacked weights, each where it is wanted, from those of the
// parts.
struct ProjectedGradients {
  at::Tensor rows;
  std::vector<at::Tensor> weights;

  static ProjectedGradients of(const at::Tensor& rows, const at::Tensor& weight,
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
};

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

struct ProjectAndAttend : torch::autograd::Function<ProjectAndAttend> {
  enum Argument : std::size_t { kX, kContext, kQ, kK, kV, kSelf, kHeads, kMask, kArguments };
  enum Kept : std::size_t { kXRows, kContextRows, kXWeight, kContextWeight, kPass };

  // In self-attention `context` is x again, and its gradient goes to x.
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& context,
                            const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            bool self, std::int64_t heads, bool causal) {
    const bool weights = q.requires_grad() || k.requires_grad() || v.requires_grad();
    const Projected of_x = self ? Projected::of(x, {q, k, v}, heads) : Projected::of(x, {q}, heads);
    const Projected of_context = self ? Projected{} : Projected::of(context, {k, v}, heads);
    const at::Tensor& key = self ? of_x.parts[1] : of_context.parts[0];
    const at::Tensor& value = self ? of_x.parts[2] : of_context.parts[1];
    const AttentionPass pass =
        attention_forward({of_x.parts[0], key, value}, causal ? Mask::causal : Mask::none);
    const auto if_wanted = [](bool wanted, const at::Tensor& t) {
      return wanted ? t : at::Tensor();
    };
    ctx->save_for_backward({if_wanted(weights, of_x.rows), if_wanted(weights, of_context.rows),
                            if_wanted(x.requires_grad(), of_x.weight),
                            if_wanted(context.requires_grad(), of_context.weight), pass.inputs.q,
                            pass.inputs.k, pass.inputs.v, pass.scores, pass.y});
    ctx->saved_data["self"] = self;
    ctx->saved_data["heads"] = heads;
    ctx->saved_data["causal"] = causal;
    ctx->saved_data["x"] = x.sizes();
    ctx->saved_data["context"] = context.sizes();
    return join_heads(pass.y);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    const tensor_list saved = ctx->get_saved_variables();
    const AttentionPass pass{
        saved[kPass + 4], {saved[kPass], saved[kPass + 1], saved[kPass + 2]}, saved[kPass + 3]};
    const bool causal = ctx->saved_data["causal"].toBool();
    const Projections of =
        attention_backward(pass, split_heads(grads[0], ctx->saved_data["heads"].toInt()),
                           causal ? Mask::causal : Mask::none);
    tensor_list result(kArguments);
    const bool self = ctx->saved_data["self"].toBool();
    const std::vector<at::Tensor> parts = self ? std::vector{of.q, of.k, of.v} : std::vector{of.q};
    const auto of_x = ProjectedGradients::of(saved[kXRows], saved[kXWeight], parts);
    if (of_x.rows.defined()) result[kX] = of_x.rows.view(ctx->saved_data["x"].toIntVector());
    result[kQ] = of_x.weights[0];
    if (self) {
      result[kK] = of_x.weights[1];
      result[kV] = of_x.weights[2];
      return result;
    }
    const auto of_context =
        ProjectedGradients::of(saved[kContextRows], saved[kContextWeight], {of.k, of.v});
    if (of_context.rows.defined()) {
      result[kContext] = of_context.rows.view(ctx->saved_data["context"].toIntVector());
    }
    result[kK] = of_context.weights[0];
    result[kV] = of_context.weights[1];
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

at::Tensor project_and_attend(const at::Tensor& x, const at::Tensor& context,
                              const Projections& weights, std::int64_t heads, Mask mask) {
  return ProjectAndAttend::apply(x, context, weights.q, weights.k, weights.v, x.is_same(context),
                                 heads, mask == Mask::causal);
}

}  // namespace sarsweep::trainer
