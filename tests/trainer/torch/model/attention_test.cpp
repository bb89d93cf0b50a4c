#include <ATen/TensorOperators.h>
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

}  // namespace
}  // namespace sarsweep::trainer
