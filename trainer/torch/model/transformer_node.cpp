#include "trainer/torch/model/transformer_node.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <optional>
#include <tuple>
#include <vector>

#include "trainer/torch/model/attention_core.h"
#include "trainer/torch/model/geglu_node.h"
#include "trainer/torch/model/matrix_product.h"
#include "trainer/torch/model/projections.h"

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// Of the node's inputs: then the parameters, at the end heads and eps.
constexpr std::size_t kTokens = 0, kContext = 1, kFirstParameter = 2;
constexpr std::size_t kInputs = kFirstParameter + kBlockParameters + 2;
// Of what it saves: the context's rows, the parameters, then what each part keeps.
constexpr std::size_t kContextRows = 0, kFirst = 1, kParts = kFirst + kBlockParameters;

// What an attention and the norm before it keep: names of places in what the node saves.
enum AttentionKept : std::size_t {
  kX,
  kNormed,
  kMean,
  kRstd,
  kQ,
  kK,
  kV,
  kScores,
  kY,
  kStacked,
  kStackedContext,
  kAttentionKept
};
enum FeedForwardKept : std::size_t { kFfX, kFfNormed, kFfMean, kFfRstd, kHidden, kGated, kFfKept };

// Where the parameters of an attention lie among the block's.
struct AttentionPlace {
  std::size_t norm, query, out;
  std::size_t kept;  // its first of what the node keeps
  bool self;
};
constexpr AttentionPlace kSelf = {kNorm1Weight, kQuery1, kOut1Weight, 0, true};
constexpr AttentionPlace kCross = {kNorm2Weight, kQuery2, kOut2Weight, kAttentionKept, false};

// rows [n,C] after the layer norm, and its statistics.
std::array<at::Tensor, 3> normalise(const at::Tensor& rows, const at::Tensor& weight,
                                    const at::Tensor& bias, double eps) {
  auto [y, mean, rstd] = at::native_layer_norm(rows, weight.sizes(), weight, bias, eps);
  return {y, mean, rstd};
}

// x + attention(norm(x)); appends what it keeps.
at::Tensor attend_forward(const at::Tensor& x, const at::Tensor& context, std::int64_t batch,
                          at::TensorList parameters, const AttentionPlace& place,
                          const BlockShape& shape, tensor_list& kept) {
  const auto [normed, mean, rstd] =
      normalise(x, parameters[place.norm], parameters[place.norm + 1], shape.eps);
  const at::Tensor &q = parameters[place.query], &k = parameters[place.query + 1],
                   &v = parameters[place.query + 2];
  Projected own = place.self ? Projected::of(normed, {q, k, v}, batch, shape.heads)
                             : Projected::of(normed, {q}, batch, shape.heads);
  Projected other = place.self ? Projected{} : Projected::of(context, {k, v}, batch, shape.heads);
  const auto& from = place.self ? own.parts : other.parts;
  const std::size_t key = place.self ? 1 : 0;
  const AttentionPass pass =
      attention_forward({own.parts[0], from[key], from[key + 1]}, Mask::none);
  const at::Tensor attended = rows_of(join_heads(pass.y));
  kept.insert(kept.end(), {x, normed, mean, rstd, pass.inputs.q, pass.inputs.k, pass.inputs.v,
                           pass.scores, pass.y, own.weight, other.weight});
  return affine(attended, parameters[place.out], parameters[place.out + 1]).add_(x);
}

at::Tensor feed_forward(const at::Tensor& x, at::TensorList parameters, const BlockShape& shape,
                        tensor_list& kept) {
  const auto [normed, mean, rstd] =
      normalise(x, parameters[kNorm3Weight], parameters[kNorm3Bias], shape.eps);
  const at::Tensor hidden = affine(normed, parameters[kProjWeight], parameters[kProjBias]);
  const at::Tensor gated = geglu_rows(hidden);
  kept.insert(kept.end(), {x, normed, mean, rstd, hidden, gated});
  return affine(gated, parameters[kFfOutWeight], parameters[kFfOutBias]).add_(x);
}

// The backward pass: gradients by input of the node.
class Backward {
 public:
  Backward(AutogradContext* ctx, tensor_list saved, std::int64_t batch)
      : ctx_(ctx), saved_(std::move(saved)), batch_(batch), result_(kInputs) {}

  // Each takes the gradient [n,C] of what its part put out and returns that of what it took in.
  at::Tensor feed_forward(const at::Tensor& grad) {
    const at::Tensor* kept = &saved_[kParts + 2 * kAttentionKept];
    const at::Tensor of_gated = linear(grad, kept[kGated], kFfOutWeight);
    const at::Tensor of_hidden = geglu_rows_backward(of_gated, kept[kHidden]);
    const at::Tensor of_normed = linear(of_hidden, kept[kFfNormed], kProjWeight);
    return norm(of_normed, kept[kFfX], kept[kFfMean], kept[kFfRstd], kNorm3Weight).add_(grad);
  }

  at::Tensor attend(const at::Tensor& grad, const AttentionPlace& place) {
    const at::Tensor* kept = &saved_[kParts + place.kept];
    const AttentionPass pass{kept[kY], {kept[kQ], kept[kK], kept[kV]}, kept[kScores]};
    const at::Tensor of_rows = linear(grad, rows_of(join_heads(pass.y)), place.out);
    const at::Tensor of_y = of_rows.view({batch_, pass.y.size(1), pass.y.size(2), pass.y.size(3)});
    const Projections of = attention_backward(pass, of_y, Mask::none);
    const at::Tensor of_normed =
        place.self ? projections({of.q, of.k, of.v}, kept[kNormed], kept[kStacked], place.query)
                   : projections({of.q}, kept[kNormed], kept[kStacked], place.query);
    if (!place.self) {
      const at::Tensor context = saved_[kContextRows];
      const at::Tensor of_context =
          projections({of.k, of.v}, context, wants(kContext) ? kept[kStackedContext] : at::Tensor(),
                      place.query + 1);
      if (of_context.defined()) result_[kContext] = of_context;
    }
    return norm(of_normed, kept[kX], kept[kMean], kept[kRstd], place.norm).add_(grad);
  }

  tensor_list& result() { return result_; }

 private:
  bool wants(std::size_t input) const { return ctx_->needs_input_grad(input); }
  bool trains(std::size_t parameter) const { return wants(kFirstParameter + parameter); }
  const at::Tensor& parameter(std::size_t index) const { return saved_[kFirst + index]; }
  void give(std::size_t parameter, const at::Tensor& grad) {
    result_[kFirstParameter + parameter] = grad;
  }

  // Of a layer whose bias follows its weight.
  at::Tensor linear(const at::Tensor& grad, const at::Tensor& rows, std::size_t weight) {
    if (trains(weight)) give(weight, product(grad.t(), rows));
    if (trains(weight + 1)) give(weight + 1, grad.sum(0));
    return product(grad, parameter(weight));
  }

  at::Tensor projections(const std::vector<at::Tensor>& parts, const at::Tensor& rows,
                         const at::Tensor& stacked, std::size_t first) {
    bool any = false;
    for (std::size_t i = 0; i < parts.size(); ++i) any = any || trains(first + i);
    const auto of = ProjectedGradients::of(any ? rows : at::Tensor(), stacked, parts);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (trains(first + i)) give(first + i, of.weights[i]);
    }
    return of.rows;
  }

  at::Tensor norm(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& mean,
                  const at::Tensor& rstd, std::size_t weight) {
    const auto [of_x, of_weight, of_bias] = at::native_layer_norm_backward(
        grad, x, parameter(weight).sizes(), mean, rstd, parameter(weight), parameter(weight + 1),
        {true, trains(weight), trains(weight + 1)});
    give(weight, of_weight);
    give(weight + 1, of_bias);
    return of_x;
  }

  AutogradContext* ctx_;
  tensor_list saved_;
  std::int64_t batch_;
  tensor_list result_;
};

struct TransformerNode : torch::autograd::Function<TransformerNode> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& tokens,
                            const at::Tensor& context, at::TensorList parameters,
                            std::int64_t heads, double eps) {
    const BlockShape shape = {heads, eps};
    const at::Tensor context_rows = rows_of(context);
    tensor_list kept = {context_rows};
    kept.insert(kept.end(), parameters.begin(), parameters.end());
    const std::int64_t batch = tokens.size(0);
    at::Tensor x = rows_of(tokens);
    x = attend_forward(x, context_rows, batch, parameters, kSelf, shape, kept);
    x = attend_forward(x, context_rows, batch, parameters, kCross, shape, kept);
    x = feed_forward(x, parameters, shape, kept);
    ctx->save_for_backward(std::move(kept));
    ctx->saved_data["batch"] = batch;
    return x.view(tokens.sizes());
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    Backward pass(ctx, ctx->get_saved_variables(), ctx->saved_data["batch"].toInt());
    at::Tensor grad = rows_of(grads[0]);
    grad = pass.feed_forward(grad);
    grad = pass.attend(grad, kCross);
    grad = pass.attend(grad, kSelf);
    tensor_list& result = pass.result();
    result[kTokens] = grad.view(grads[0].sizes());
    if (result[kContext].defined()) {
      result[kContext] = result[kContext].view({grads[0].size(0), -1, result[kContext].size(1)});
    }
    return std::move(result);
  }
};

}  // namespace

at::Tensor transformer_block(const at::Tensor& tokens, const at::Tensor& context,
                             at::TensorList parameters, const BlockShape& shape) {
  return TransformerNode::apply(tokens, context, parameters, shape.heads, shape.eps);
}

}  // namespace sarsweep::trainer
