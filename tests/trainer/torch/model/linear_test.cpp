#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "tests/trainer/torch/model/precision.h"
#include "trainer/torch/model/dense_linear.h"
#include "trainer/torch/model/matrix_product.h"

namespace sarsweep::trainer {
namespace {

class MatrixProductTest : public SeededTest {};
class DenseLinearTest : public SeededTest {};

constexpr double kRounding = 4e-6;  // of fp32, relative to the largest value

// Shapes from one row and one column on, most of them no multiple of a vector's width.
struct Sizes {
  explicit Sizes(std::mt19937& engine) : draws(engine) {}
  std::int64_t operator()(std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(1, most)(draws);
  }
  std::mt19937& draws;
};

TEST_F(MatrixProductTest, AgreesWithDoublePrecisionHoweverItsArgumentsLie) {
  std::mt19937 engine(1);
  Sizes size(engine);
  for (int round = 0; round < 200; ++round) {
    const std::int64_t m = size(90), k = size(90), n = size(90);
    const at::Tensor a = round % 2 == 0 ? at::randn({m, k}) : at::randn({k, m}).t();
    const at::Tensor b = round % 3 == 0 ? at::randn({k, n}) : at::randn({n, k}).t();
    const at::Tensor exact = at::mm(doubled(a), doubled(b));
    EXPECT_LE(distance(product(a, b), exact), kRounding) << m << "x" << k << "x" << n;
    at::Tensor sum = at::ones({m, n});
    add_product(sum, a, b, -0.5);
    EXPECT_LE(distance(sum, 1 - 0.5 * exact), kRounding) << m << "x" << k << "x" << n;
  }
}

TEST_F(MatrixProductTest, TakesRowsOfALargerTensor) {
  const at::Tensor whole = at::randn({7, 40, 24});
  const at::Tensor weight = at::randn({48, 40}).narrow(1, 4, 24);
  const at::Tensor rows = whole.select(1, 3);  // every 40th row
  const at::Tensor exact = at::mm(doubled(rows), doubled(weight).t());
  EXPECT_LE(distance(affine(rows, weight, std::nullopt), exact), kRounding);
  EXPECT_LE(distance(product(rows, weight.t()), exact), kRounding);
}

TEST_F(MatrixProductTest, OverwritesWhateverTheMemoryHeld) {
  // Zero times a NaN is no zero.
  for (int round = 0; round < 20; ++round) {
    { const at::Tensor poison = at::full({64, 64}, std::nan("")); }
    EXPECT_TRUE(product(at::ones({64, 3}), at::ones({3, 64})).eq(3).all().item<bool>());
  }
}

struct Case {
  bool x, weight, bias;  // which of them trains
};

void compare_gradients(const Case& trains, const std::vector<std::int64_t>& shape,
                       std::int64_t out) {
  const at::Tensor x = at::randn(shape).set_requires_grad(trains.x);
  const at::Tensor weight = at::randn({out, shape.back()}).set_requires_grad(trains.weight);
  const at::Tensor bias = at::randn({out}).set_requires_grad(trains.bias);
  const at::Tensor y = dense_linear(x, weight, bias);
  const at::Tensor x2 = doubled(x), weight2 = doubled(weight), bias2 = doubled(bias);
  const at::Tensor y2 = at::linear(x2, weight2, bias2);
  ASSERT_EQ(y.sizes(), y2.sizes());
  EXPECT_LE(distance(y, y2), kRounding);
  ASSERT_EQ(y.requires_grad(), y2.requires_grad());
  if (!y.requires_grad()) return;
  // A gradient that arrives transposed, as behind attention.
  const at::Tensor of_y = at::randn({out, y.numel() / out}).t().reshape(y.sizes());
  torch::autograd::backward({y}, {of_y});
  torch::autograd::backward({y2}, {of_y.to(at::kDouble)});
  const std::pair<at::Tensor, at::Tensor> pairs[] = {{x, x2}, {weight, weight2}, {bias, bias2}};
  for (const auto& [tensor, exact] : pairs) {
    ASSERT_EQ(tensor.grad().defined(), exact.grad().defined());
    if (!exact.grad().defined()) continue;
    ASSERT_EQ(tensor.grad().sizes(), exact.grad().sizes());
    EXPECT_LE(distance(tensor.grad(), exact.grad()), kRounding);
  }
}

TEST_F(DenseLinearTest, HasTheGradientsOfLinear) {
  for (int bits = 0; bits < 8; ++bits) {
    const Case trains{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    compare_gradients(trains, {3, 17, 20}, 33);
    compare_gradients(trains, {5, 8}, 1);
    compare_gradients(trains, {1, 1, 1}, 64);
  }
}

TEST_F(DenseLinearTest, HasNoBiasWhereNoneIsGiven) {
  const at::Tensor x = at::randn({4, 6}).set_requires_grad(true);
  const at::Tensor weight = at::randn({5, 6}).set_requires_grad(true);
  const at::Tensor y = dense_linear(x, weight, std::nullopt);
  torch::autograd::backward({y.sum()}, {});
  EXPECT_LE(distance(y, at::linear(doubled(x), doubled(weight))), kRounding);
  EXPECT_LE(distance(weight.grad(), doubled(x).sum(0).expand({5, 6})), kRounding);
}

TEST_F(DenseLinearTest, ComputesInTheTypeItIsGiven) {
  for (const at::ScalarType type : {at::kDouble, at::kBFloat16}) {
    const at::Tensor x = at::randn({4, 6}, type), weight = at::randn({5, 6}, type);
    const at::Tensor y = dense_linear(x, weight, std::nullopt);
    EXPECT_EQ(y.scalar_type(), type);
    EXPECT_TRUE(y.equal(at::linear(x, weight)));
  }
}

TEST_F(DenseLinearTest, TakesNoRows) {
  const at::Tensor x = at::randn({0, 6}).set_requires_grad(true);
  const at::Tensor y = dense_linear(x, at::randn({5, 6}), at::randn({5}));
  EXPECT_EQ(y.sizes(), (std::vector<std::int64_t>{0, 5}));
  torch::autograd::backward({y.sum()}, {});
  EXPECT_EQ(x.grad().sizes(), x.sizes());
}

}  // namespace
}  // namespace sarsweep::trainer
