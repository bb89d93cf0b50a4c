#include "trainer/torch/training/adamw.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "schema/base/error.h"
#include "trainer/torch/model/compute_copy.h"

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

void take_step(AdamW& optimizer, double multiplier = 1, double divisor = 1, bool finite = true) {
  const StepScale scale = {at::full({}, divisor, at::kFloat),
                           at::full({}, finite ? 1.0 : 0.0, at::kFloat)};
  optimizer.step(multiplier, std::vector<StepScale>(optimizer.groups().size(), scale));
  optimizer.settle(finite);
}

TEST(AdamW, FollowsItsFormulaInDoublePrecision) {
  const at::Tensor weight = leaf({0.5});
  AdamW optimizer(one_group({{"w", weight}}), {0.9, 0.999, 1e-8, 0.01});
  double w = 0.5, m = 0, v = 0;
  for (int step = 1; step <= 5; ++step) {
    const double gradient = 0.3 * step - 0.7;
    weight.mutable_grad() = at::full({1}, gradient);
    take_step(optimizer, 0.5);
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
  take_step(optimizer);
  EXPECT_EQ(unused.item<float>(), 3.0F);
  EXPECT_EQ(optimizer.state().size(), 3U);  // of `used` alone

  optimizer.zero_grad();
  unused.mutable_grad() = at::full({1}, 1.0);
  take_step(optimizer);
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
  take_step(a);
  take_step(b, 1, 4);
  EXPECT_TRUE(at::equal(whole, divided));
  EXPECT_TRUE(at::equal(a.state()[0].second, b.state()[0].second));
}

TEST(AdamW, TellsAutogradThatTheWeightsChanged) {
  const at::Tensor weight = leaf({1.0});
  AdamW optimizer(one_group({{"w", weight}}), {});
  weight.mutable_grad() = at::full({1}, 1.0);
  const auto before = weight._version();
  take_step(optimizer);
  EXPECT_GT(weight._version(), before);
}

TEST(AdamW, AStepThatIsNotFiniteNeverWas) {
  const at::Tensor disturbed = leaf({1.0, -2.0}), alone = leaf({1.0, -2.0});
  AdamW a(one_group({{"w", disturbed}}), {}), b(one_group({{"w", alone}}), {});
  disturbed.mutable_grad() = at::full({2}, std::nan(""));
  take_step(a, 1, 1, /*finite=*/false);
  EXPECT_TRUE(a.state().empty());
  for (const at::Tensor& weight : {disturbed, alone}) weight.mutable_grad() = at::full({2}, 0.5);
  take_step(a);
  take_step(b);
  EXPECT_TRUE(at::equal(disturbed, alone));
  EXPECT_TRUE(at::equal(a.state()[2].second, b.state()[2].second));  // its step
}

// The referee is torch's own fused kernel, which divides and steps in the same order.
TEST(AdamW, AgreesWithTorchsOnTensorsOfEverySize) {
  at::manual_seed(1);
  for (const std::int64_t size : {1, 7, 16, 1000, 16384, 50001}) {
    const at::Tensor weight = at::randn({size}).set_requires_grad(true);
    at::Tensor expected = weight.detach().clone();
    at::Tensor m = at::zeros({size}), v = at::zeros({size});
    AdamW optimizer(one_group({{"w", weight}}), {0.9, 0.99, 1e-8, 0.1});
    for (int step = 1; step <= 4; ++step) {
      const at::Tensor gradient = at::randn({size});
      weight.mutable_grad() = gradient.clone();
      take_step(optimizer, 0.5, 1.5);
      at::_fused_adamw_({expected}, {gradient.clone()}, {m}, {v}, {},
                        {at::full({1}, static_cast<double>(step), at::kFloat)}, 0.05, 0.9, 0.99,
                        0.1, 1e-8, /*amsgrad=*/false, /*maximize=*/false, at::full({}, 1.5));
    }
    EXPECT_TRUE(at::allclose(weight, expected, 1e-6, 1e-6)) << size;
    EXPECT_TRUE(at::allclose(optimizer.state()[1].second, v, 1e-6, 1e-9)) << size;
  }
}

TEST(SumOfSquares, IsTheSameWhateverTheThreads) {
  at::manual_seed(1);
  std::vector<at::Tensor> tensors;
  for (const std::int64_t size : {1, 33, 5, 70001, 16384}) tensors.push_back(at::randn({size}));
  double exact = 0;
  for (const at::Tensor& tensor : tensors) {
    exact += tensor.to(at::kDouble).square().sum().item<double>();
  }
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const double one = sum_of_squares(tensors).item<double>();
  at::set_num_threads(2);
  const double two = sum_of_squares(tensors).item<double>();
  at::set_num_threads(before);
  EXPECT_EQ(one, two);
  EXPECT_NEAR(one / exact, 1, 1e-13);
}

TEST(AdamW, AGroupThatDoesNotDecayKeepsItsWeightsWithoutAGradient) {
  const at::Tensor decayed = leaf({1.0}), kept = leaf({1.0});
  AdamW optimizer(
      {{"network", 0.1, true, {{"w", decayed}}}, {"token", 0.1, false, {{"row", kept}}}},
      {0.9, 0.999, 1e-8, 0.5});
  for (const at::Tensor& weight : {decayed, kept}) weight.mutable_grad() = at::full({1}, 0.0);
  take_step(optimizer);
  EXPECT_FLOAT_EQ(decayed.item<float>(), 0.95F);
  EXPECT_EQ(kept.item<float>(), 1.0F);
}

TEST(AdamW, RestoredStateGoesOnInTheSameBits) {
  const at::Tensor first = leaf({0.1, -0.2}), second = leaf({0.1, -0.2});
  AdamW a(one_group({{"w", first}}), {});
  first.mutable_grad() = at::tensor({0.5, -1.5}, at::kFloat);
  take_step(a);
  AdamW b(one_group({{"w", second}}), {});
  b.load_state(a.state());
  second.detach().copy_(first.detach());
  for (const at::Tensor& weight : {first, second}) {
    weight.mutable_grad() = at::tensor({0.25, 3.0}, at::kFloat);
  }
  take_step(a);
  take_step(b);
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

// The memory that a step writes is that of the next pass, and a change by anyone else is noticed.
TEST(AdamW, WritesTheNarrowCopyWithTheWeight) {
  at::manual_seed(2);
  const at::Tensor weight = at::randn({130, 70}).set_requires_grad(true), bare = leaf({1.0, 2.0});
  AdamW optimizer(one_group({{"bare", bare}, {"w", weight}}), {});
  ComputeCopy copy;
  optimizer.keep_copies({{weight.unsafeGetTensorImpl(), &copy}});
  const auto computed = [&] { return copy.of(weight, at::kBFloat16).detach(); };
  const void* memory = computed().const_data_ptr();
  for (int step = 0; step < 3; ++step) {
    weight.mutable_grad() = at::randn({130, 70});
    bare.mutable_grad() = at::randn({2});
    const at::Tensor seen = computed(), before = seen.clone();
    take_step(optimizer);
    EXPECT_TRUE(at::equal(seen, weight.to(at::kBFloat16)));  // by the step: no pass has been
    EXPECT_TRUE(at::equal(computed(), seen));
    EXPECT_FALSE(at::equal(computed(), before));
    EXPECT_EQ(computed().const_data_ptr(), memory);
  }
  weight.detach().add_(1);
  EXPECT_TRUE(at::equal(computed(), weight.to(at::kBFloat16)));
  EXPECT_EQ(computed().const_data_ptr(), memory);
  // A step that is not finite leaves both.
  weight.mutable_grad() = at::full({130, 70}, std::nan(""));
  take_step(optimizer, 1, 1, /*finite=*/false);
  EXPECT_TRUE(at::equal(computed(), weight.to(at::kBFloat16)));
}

TEST(AdamW, ACopyThatWasNeverMadeIsNotBelieved) {
  const at::Tensor weight = leaf({1.0, -2.0, 0.3});
  AdamW optimizer(one_group({{"w", weight}}), {});
  ComputeCopy copy;
  optimizer.keep_copies({{weight.unsafeGetTensorImpl(), &copy}});
  weight.mutable_grad() = at::full({3}, 0.5);
  take_step(optimizer);  // before any pass
  EXPECT_TRUE(at::equal(copy.of(weight, at::kBFloat16).detach(), weight.to(at::kBFloat16)));
}

}  // namespace
}  // namespace sarsweep::trainer
