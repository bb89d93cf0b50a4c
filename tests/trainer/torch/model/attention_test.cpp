#include "trainer/torch/model/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "tests/trainer/torch/model/precision.h"
#include "trainer/torch/model/attention_nodes.h"

namespace sarsweep::trainer {
namespace {

class AttendTest : public SeededTest {};
class ProjectAndAttendTest : public SeededTest {};
class AttentionTest : public SeededTest {};

constexpr double kRounding = 5e-6;  // of fp32, relative to the largest value

struct Shape {
  std::int64_t batch, queries, keys, heads, width;
};
std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  return out << shape.queries << " queries, " << shape.keys << " keys, width " << shape.width;
}

// A flash kernel's, and one whose scores are kept where the processor has oneDNN's products.
const std::vector<Shape> kShapes = {{2, 9, 7, 2, 16}, {1, 1, 1, 1, 8}, {2, 256, 128, 4, 256}};

at::Tensor trained(at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); }

// [out,in] that keep the size of what they multiply.
at::Tensor weights(std::int64_t out, std::int64_t in) {
  return at::randn({out, in}) / std::sqrt(static_cast<double>(in));
}

at::Tensor trained_weights(std::int64_t out, std::int64_t in) {
  return weights(out, in).set_requires_grad(true);
}

// In double precision, from its formula.
at::Tensor reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     std::int64_t heads, Mask mask) {
  const auto by_head = [&](const at::Tensor& x) {
    return x.unflatten(-1, {heads, -1}).transpose(1, 2);
  };
  at::Tensor scores = at::matmul(by_head(q), by_head(k).transpose(2, 3)) /
                      std::sqrt(static_cast<double>(q.size(2) / heads));
  if (mask == Mask::causal) {
    const at::Tensor later = at::ones({q.size(1), k.size(1)}, at::kBool).triu(1);
    scores = scores.masked_fill(later, -std::numeric_limits<double>::infinity());
  }
  return at::matmul(scores.softmax(-1), by_head(v)).transpose(1, 2).flatten(2);
}

double largest(const at::Tensor& values) { return values.abs().max().item<double>(); }

// Relative to its largest value, or where all of it cancels (a softmax over one key passes nothing
// on), to what came in: how much of a zero is left is the kernel's affair, and the processor's.
double gradient_distance(const at::Tensor& got, const at::Tensor& exact,
                         const at::Tensor& incoming) {
  constexpr double kVanished = 1e-12;
  const double whole = largest(incoming);
  return largest(exact) > kVanished * whole ? distance(got, exact) : largest(got) / whole;
}

void expect_equal_gradients(const at::Tensor& y, const at::Tensor& exact,
                            const std::vector<std::pair<at::Tensor, at::Tensor>>& inputs) {
  ASSERT_EQ(y.sizes(), exact.sizes());
  EXPECT_LE(distance(y, exact), kRounding);
  const at::Tensor grad = at::randn(y.sizes());
  torch::autograd::backward({y}, {grad});
  torch::autograd::backward({exact}, {grad.to(at::kDouble)});
  for (const auto& [tensor, twin] : inputs) {
    ASSERT_EQ(tensor.grad().defined(), twin.grad().defined());
    if (twin.grad().defined()) {
      EXPECT_LE(gradient_distance(tensor.grad(), twin.grad(), grad), kRounding);
    }
  }
}

TEST_F(AttendTest, AgreesWithItsFormulaInDoublePrecision) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape);
    const at::Tensor q = trained({shape.batch, shape.queries, shape.width});
    const at::Tensor k = trained({shape.batch, shape.keys, shape.width});
    const at::Tensor v = trained({shape.batch, shape.keys, shape.width});
    const at::Tensor q2 = doubled(q), k2 = doubled(k), v2 = doubled(v);
    expect_equal_gradients(attend(q, k, v, shape.heads, Mask::none),
                           reference(q2, k2, v2, shape.heads, Mask::none),
                           {{q, q2}, {k, k2}, {v, v2}});
  }
}

TEST_F(ProjectAndAttendTest, HasTheGradientsOfItsPartsAcrossTwoInputs) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape);
    const at::Tensor x = trained({shape.batch, shape.queries, shape.width});
    const at::Tensor context = trained({shape.batch, shape.keys, 24});
    const at::Tensor wq = trained_weights(shape.width, shape.width);
    const at::Tensor wk = trained_weights(shape.width, 24), wv = trained_weights(shape.width, 24);
    const at::Tensor x2 = doubled(x), context2 = doubled(context);
    const at::Tensor wq2 = doubled(wq), wk2 = doubled(wk), wv2 = doubled(wv);
    expect_equal_gradients(project_and_attend(x, context, {wq, wk, wv}, shape.heads, Mask::none),
                           reference(at::linear(x2, wq2), at::linear(context2, wk2),
                                     at::linear(context2, wv2), shape.heads, Mask::none),
                           {{x, x2}, {context, context2}, {wq, wq2}, {wk, wk2}, {wv, wv2}});
  }
}

TEST_F(ProjectAndAttendTest, HasTheGradientsOfItsPartsWithinOneInput) {
  for (const Mask mask : {Mask::none, Mask::causal}) {
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(testing::Message() << shape);
      const at::Tensor x = trained({shape.batch, shape.queries, 40});
      const at::Tensor wq = trained_weights(shape.width, 40), wk = trained_weights(shape.width, 40);
      const at::Tensor wv = trained_weights(shape.width, 40);
      const at::Tensor x2 = doubled(x), wq2 = doubled(wq), wk2 = doubled(wk), wv2 = doubled(wv);
      expect_equal_gradients(project_and_attend(x, x, {wq, wk, wv}, shape.heads, mask),
                             reference(at::linear(x2, wq2), at::linear(x2, wk2),
                                       at::linear(x2, wv2), shape.heads, mask),
                             {{x, x2}, {wq, wq2}, {wk, wk2}, {wv, wv2}});
    }
  }
}

TEST_F(ProjectAndAttendTest, LeavesOutTheGradientsNobodyWants) {
  const at::Tensor x = trained({2, 9, 16}), context = at::randn({2, 5, 24});
  const Projections frozen = {weights(16, 16), weights(16, 24), weights(16, 24)};
  const at::Tensor x2 = doubled(x), context2 = doubled(context);
  expect_equal_gradients(
      project_and_attend(x, context, frozen, 2, Mask::none),
      reference(at::linear(x2, doubled(frozen.q)), at::linear(context2, doubled(frozen.k)),
                at::linear(context2, doubled(frozen.v)), 2, Mask::none),
      {{x, x2}, {context, context2}});
}

Attention filled(Component& owner, std::int64_t context_width) {
  Attention::Options options;
  options.width = 32;
  options.context_width = context_width;
  options.heads = 4;
  Attention attention(owner, "attn", options);
  for (const auto& [name, tensor] : owner.parameters()) tensor.normal_();
  owner.require_grad(true);
  return attention;
}

// The weights of what reads one input lie side by side, and moving one away changes no number.
TEST_F(AttentionTest, GivesTheSameWhereverItsWeightsLie) {
  for (const std::int64_t context_width : {32, 20}) {
    Component owner;
    const Attention attention = filled(owner, context_width);
    const at::Tensor x = at::randn({2, 9, 32});
    const at::Tensor context = context_width == 32 ? x : at::randn({2, 7, context_width});
    const auto run = [&] {
      for (const auto& [name, tensor] : owner.parameters()) {
        at::Tensor handle = tensor;
        handle.mutable_grad().reset();
      }
      const at::Tensor y = attention(x, context, Mask::none);
      torch::autograd::backward({y.square().sum()}, {});
      return std::pair{y.detach().clone(), attention.key->weight.grad().clone()};
    };
    const at::Tensor &key = attention.key->weight, &value = attention.value->weight;
    EXPECT_EQ(key.const_data_ptr<float>() + key.numel(), value.const_data_ptr<float>());
    const auto [y, gradient] = run();
    attention.key->weight.set_data(key.detach().clone());
    const auto [moved, moved_gradient] = run();
    EXPECT_TRUE(y.equal(moved));
    EXPECT_TRUE(gradient.equal(moved_gradient));
  }
}

}  // namespace
}  // namespace sarsweep::trainer
