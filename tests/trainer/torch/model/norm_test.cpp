#include "trainer/torch/model/norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/trainer/torch/model/precision.h"

namespace sarsweep::trainer {
namespace {

class GroupNormTest : public SeededTest {};

constexpr double kRounding = 5e-6;  // of fp32, relative to the largest value

struct Case {
  std::vector<std::int64_t> shape;
  std::int64_t groups;
  bool activated;
  double level = 0;  // of the picture, to be taken off by the norm
};

void expect_exact(const Case& c) {
  SCOPED_TRACE(testing::Message() << at::IntArrayRef(c.shape) << ", " << c.groups
                                  << " groups, silu " << c.activated << ", level " << c.level);
  Component owner;
  const GroupNorm norm(owner, "norm", c.shape[1], c.groups, 1e-5);
  norm.weight.normal_(1, 0.5).set_requires_grad(true);
  norm.bias.normal_().set_requires_grad(true);
  const at::Tensor x = (at::randn(c.shape) + c.level).set_requires_grad(true);
  const at::Tensor x2 = doubled(x), weight = doubled(norm.weight), bias = doubled(norm.bias);
  const at::Tensor y = c.activated ? norm.silu(x) : norm(x);
  at::Tensor exact = at::group_norm(x2, c.groups, weight, bias, 1e-5);
  if (c.activated) exact = at::silu(exact);
  EXPECT_LE(distance(y, exact), kRounding * (1 + c.level));
  const at::Tensor grad = at::randn(c.shape);
  torch::autograd::backward({y}, {grad});
  torch::autograd::backward({exact}, {grad.to(at::kDouble)});
  EXPECT_LE(distance(x.grad(), x2.grad()), kRounding * (1 + c.level));
  EXPECT_LE(distance(norm.weight.grad(), weight.grad()), kRounding * (1 + c.level));
  EXPECT_LE(distance(norm.bias.grad(), bias.grad()), kRounding * (1 + c.level));
}

TEST_F(GroupNormTest, AgreesWithItsFormulaInDoublePrecision) {
  for (const bool activated : {false, true}) {
    for (const Case& c : {Case{{4, 16, 16, 16}, 8, activated},
                          {{1, 8, 3, 5}, 8, activated},
                          {{2, 64, 4, 4}, 32, activated},
                          {{3, 6, 1, 1}, 2, activated},
                          {{2, 8, 5, 7}, 1, activated, 10}}) {
      expect_exact(c);
    }
  }
}

// As a slice or a transposed picture comes in, its rows apart.
TEST_F(GroupNormTest, TakesAnyLayout) {
  Component owner;
  const GroupNorm norm(owner, "norm", 8, 4, 1e-5);
  norm.weight.fill_(1);
  norm.bias.fill_(0);
  const at::Tensor x = at::randn({2, 8, 6, 6});
  EXPECT_TRUE(norm.silu(x.transpose(2, 3)).equal(norm.silu(x.transpose(2, 3).contiguous())));
}

TEST_F(GroupNormTest, FrozenWeightsGetNoGradient) {
  Component owner;
  const GroupNorm norm(owner, "norm", 8, 4, 1e-5);
  norm.weight.fill_(2);
  norm.bias.fill_(1);
  const at::Tensor x = at::randn({2, 8, 6, 6}).set_requires_grad(true);
  torch::autograd::backward({norm.silu(x).sum()}, {});
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(norm.weight.grad().defined());
}

}  // namespace
}  // namespace sarsweep::trainer
