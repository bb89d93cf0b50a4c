#include "trainer/torch/training/self_checks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>

namespace sarsweep::trainer {
namespace {

std::vector<std::string> failures(const std::vector<SelfCheck>& checks) {
  std::vector<std::string> names;
  for (const SelfCheck& check : checks) {
    if (!check.passed()) names.push_back(check.name);
  }
  return names;
}

using Twist = std::function<at::Tensor(const at::Tensor& loss, at::ScalarType type)>;

// Of a linear map with this done to its loss.
std::vector<SelfCheck> checks_of(const Twist& twisted) {
  Component network;
  const Layer* layer = network.add_linear("linear", 4, 3, true);
  network.set("linear.weight", at::arange(12, at::kFloat).view({3, 4}) * 0.1 - 0.5);
  network.set("linear.bias", at::arange(3, at::kFloat) * 0.3);
  return check_network("map", network, at::kCPU, [&](at::Device device, at::ScalarType type) {
    const at::Tensor x = at::arange(8, at::device(device).dtype(at::kFloat)).view({2, 4}) * 0.2;
    return twisted((*layer)(x.to(type)).to(at::kDouble).square().mean(), type);
  });
}

// The fp32 and bf16 loss are `factor` times the true one.
std::vector<SelfCheck> checks_of_scaled(double factor) {
  return checks_of([=](const at::Tensor& loss, at::ScalarType type) {
    return type == at::kDouble ? loss : loss * factor;
  });
}

TEST(SelfChecks, FindNothingWhereNothingIsWrong) {
  const std::vector<SelfCheck> checks = checks_of_scaled(1);
  EXPECT_EQ(checks.size(), 4u);
  EXPECT_EQ(failures(checks), std::vector<std::string>{});
}

TEST(SelfChecks, FindALossAndAGradientThatAreOff) {
  EXPECT_EQ(failures(checks_of_scaled(1.001)),
            (std::vector<std::string>{"map: loss", "map: gradient"}));
  EXPECT_EQ(failures(checks_of_scaled(std::numeric_limits<double>::quiet_NaN())),
            (std::vector<std::string>{"map: loss", "map: gradient", "map: gradient in bf16"}));
}

TEST(SelfChecks, FindAGradientThatIsNotTheSlope) {
  const auto bent = [](const at::Tensor& loss, at::ScalarType /*type*/) {
    return loss * 1.001 - loss.detach() * 0.001;
  };
  EXPECT_EQ(failures(checks_of(bent)),
            std::vector<std::string>{"map: gradient against differences"});
}

TEST(SelfChecks, PassOnThisMachine) {
  for (const auto& checks : {kernel_checks(at::kCPU), gradient_checks(at::kCPU)}) {
    for (const SelfCheck& check : checks) {
      EXPECT_TRUE(check.passed()) << check.name << ": " << check.error;
    }
    // Rounding is there to be seen.
    const auto rounded = std::count_if(checks.begin(), checks.end(),
                                       [](const SelfCheck& check) { return check.error > 0; });
    EXPECT_GE(rounded, static_cast<std::ptrdiff_t>(checks.size()) - 1);
  }
}

}  // namespace
}  // namespace sarsweep::trainer
