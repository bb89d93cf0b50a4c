#include "trainer/torch/training/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

at::Tensor leaf(std::vector<double> values) {
  at::Tensor tensor = at::tensor(values, at::kFloat);
  tensor.set_requires_grad(true);
  return tensor;
}

std::vector<ParameterGroup> one_group(const NamedTensors& tensors) {
  return {{"group", 0.1, true, tensors}};
}

TEST(AdamW, FollowsItsFormulaInDoublePrecision) {
  const at::Tensor weight = leaf({0.5});
  AdamW optimizer(one_group({{"w", weight}}), {0.9, 0.999, 1e-8, 0.01});
  double w = 0.5, m = 0, v = 0;
  for (int step = 1; step <= 5; ++step) {
    const double gradient = 0.3 * step - 0.7;
    weight.mutable_grad() = at::full({1}, gradient);
    optimizer.step(0.5);
    const double lr = 0.1 * 0.5;
    w *= 1 - lr * 0.01;
    m = 0.9 * m + 0.1 * gradient;
    v = 0.999 * v + 0.001 * gradient * gradient;
    const double corrected = std::sqrt(v / (1 - std::pow(0.999, step))) + 1e-8;
    w -= lr * (m / (1 - std::pow(0.9, step))) / corrected;
    EXPECT_NEAR(weight.item<double>(), w, 2e-6) << "step " << step;
  }
}

TEST(AdamW, ATensorWithoutGradientStaysAndDoesNotAge) {
  const at::Tensor used = leaf({1.0, 2.0});
  const at::Tensor unused = leaf({3.0});
  AdamW optimizer(one_group({{"used", used}, {"unused", unused}}), {});
  used.mutable_grad() = at::full({2}, 1.0);
  optimizer.step(1);
  EXPECT_EQ(unused.item<float>(), 3.0F);
  EXPECT_EQ(optimizer.state().size(), 3U);  // of `used` alone

  optimizer.zero_grad();
  unused.mutable_grad() = at::full({1}, 1.0);
  optimizer.step(1);
  for (const auto& [name, value] : optimizer.state()) {
    if (!name.ends_with(".step")) continue;
    EXPECT_EQ(value.item<float>(), 1.0F) << name;
  }
}

TEST(AdamW, TheDivisorScalesTheGradient) {
  const at::Tensor whole = leaf({1.0});
  const at::Tensor divided = leaf({1.0});
  AdamW a(one_group({{"w", whole}}), {}), b(one_group({{"w", divided}}), {});
  whole.mutable_grad() = at::full({1}, 0.25);
  divided.mutable_grad() = at::full({1}, 1.0);
  a.step(1);
  b.step(1, {at::full({}, 4.0)});
  EXPECT_TRUE(at::equal(whole, divided));
  EXPECT_TRUE(at::equal(a.state()[0].second, b.state()[0].second));
}

TEST(AdamW, AGroupThatDoesNotDecayKeepsItsWeightsWithoutAGradient) {
  const at::Tensor decayed = leaf({1.0}), kept = leaf({1.0});
  AdamW optimizer(
      {{"network", 0.1, true, {{"w", decayed}}}, {"token", 0.1, false, {{"row", kept}}}},
      {0.9, 0.999, 1e-8, 0.5});
  for (const at::Tensor& weight : {decayed, kept}) weight.mutable_grad() = at::full({1}, 0.0);
  optimizer.step(1);
  EXPECT_FLOAT_EQ(decayed.item<float>(), 0.95F);
  EXPECT_EQ(kept.item<float>(), 1.0F);
}

TEST(AdamW, RestoredStateGoesOnInTheSameBits) {
  const at::Tensor first = leaf({0.1, -0.2}), second = leaf({0.1, -0.2});
  AdamW a(one_group({{"w", first}}), {});
  first.mutable_grad() = at::tensor({0.5, -1.5}, at::kFloat);
  a.step(1);
  AdamW b(one_group({{"w", second}}), {});
  b.load_state(a.state());
  second.detach().copy_(first.detach());
  for (const at::Tensor& weight : {first, second}) {
    weight.mutable_grad() = at::tensor({0.25, 3.0}, at::kFloat);
  }
  a.step(1);
  b.step(1);
  EXPECT_TRUE(at::equal(first, second));
}

TEST(AdamW, ForeignStateIsRefused) {
  const at::Tensor weight = leaf({1.0});
  AdamW optimizer(one_group({{"w", weight}}), {});
  EXPECT_THROW(optimizer.load_state({{"other.step", at::full({1}, 1.0)}}), Error);
  EXPECT_THROW(optimizer.load_state({{"w.step", at::full({1}, 1.0)}}), Error);
  EXPECT_THROW(optimizer.load_state({{"w.step", at::full({1}, 1.0)},
                                     {"w.exp_avg", at::full({2}, 1.0)},
                                     {"w.exp_avg_sq", at::full({1}, 1.0)}}),
               Error);
}

}  // namespace
}  // namespace sarsweep::trainer
