#include "trainer/torch/model/compute_copy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <c10/core/GradMode.h>

namespace sarsweep::trainer {
namespace {

at::Tensor trained_weight() {
  const at::Tensor weight = at::arange(6, at::kFloat).view({2, 3}) + 0.001;
  return weight.set_requires_grad(true);
}

const void* memory_of(const at::Tensor& tensor) { return tensor.const_data_ptr(); }

TEST(ComputeCopy, IsCastOnceUntilTheWeightChanges) {
  const at::Tensor weight = trained_weight();
  ComputeCopy copy;
  const at::Tensor first = copy.of(weight, at::kBFloat16);
  EXPECT_TRUE(first.equal(weight.to(at::kBFloat16)));
  EXPECT_EQ(memory_of(copy.of(weight, at::kBFloat16)), memory_of(first));
  {
    const c10::NoGradGuard no_grad;
    at::Tensor handle = weight;
    handle.add_(1);
  }
  EXPECT_TRUE(copy.of(weight, at::kBFloat16).equal(weight.to(at::kBFloat16)));
  EXPECT_TRUE(copy.of(weight, at::kHalf).equal(weight.to(at::kHalf)));
}

TEST(ComputeCopy, HasTheGradientOfACast) {
  const at::Tensor weight = trained_weight();
  const at::Tensor other = weight.detach().clone().set_requires_grad(true);
  ComputeCopy copy;
  for (int pass = 0; pass < 2; ++pass) {  // passes add up
    torch::autograd::backward({copy.of(weight, at::kBFloat16).square().sum()}, {});
    torch::autograd::backward({other.to(at::kBFloat16).square().sum()}, {});
  }
  EXPECT_EQ(weight.grad().scalar_type(), at::kFloat);
  EXPECT_TRUE(weight.grad().equal(other.grad()));
}

TEST(ComputeCopy, KeepsNothingOfWhatDoesNotTrain) {
  const at::Tensor frozen = at::full({2}, 1.5);
  ComputeCopy copy;
  const at::Tensor first = copy.of(frozen, at::kBFloat16);
  const at::Tensor second = copy.of(frozen, at::kBFloat16);
  EXPECT_NE(memory_of(first), memory_of(second));
  EXPECT_TRUE(copy.of(frozen, at::kFloat).is_same(frozen));
}

TEST(ComputeCopy, IsMadeAnewForOtherMemory) {
  at::Tensor weight = trained_weight();
  ComputeCopy copy;
  copy.of(weight, at::kBFloat16);
  weight.set_data(weight.detach() + 1);
  copy.forget();
  EXPECT_TRUE(copy.of(weight, at::kBFloat16).equal(weight.to(at::kBFloat16)));
}

TEST(ComputeCopy, ThatIsCurrentServesWithoutTheGraph) {
  const at::Tensor weight = trained_weight();
  ComputeCopy copy;
  const at::Tensor kept = copy.of(weight, at::kBFloat16);
  const c10::NoGradGuard no_grad;
  EXPECT_EQ(memory_of(copy.of(weight, at::kBFloat16)), memory_of(kept));
  at::Tensor handle = weight;
  handle.add_(1);
  const at::Tensor cast = copy.of(weight, at::kBFloat16);
  EXPECT_NE(memory_of(cast), memory_of(kept));
  EXPECT_TRUE(cast.equal(weight.to(at::kBFloat16)));
}

TEST(ComputeCopy, LiesInMemoryThatItIsLentUntilItComputesInAnotherType) {
  const at::Tensor weight = trained_weight();
  const at::Tensor memory = at::full({2, 3}, 9.0, at::kBFloat16);
  ComputeCopy copy;
  copy.lie_in(memory);
  EXPECT_FALSE(copy.is_current(weight, memory));
  EXPECT_EQ(memory_of(copy.of(weight, at::kBFloat16)), memory_of(memory));
  EXPECT_TRUE(copy.is_current(weight, memory));
  EXPECT_TRUE(memory.equal(weight.to(at::kBFloat16)));
  {
    const c10::NoGradGuard no_grad;
    at::Tensor handle = weight;
    handle.add_(1);
  }
  EXPECT_FALSE(copy.is_current(weight, memory));
  copy.follow(weight);  // whoever says so has written it
  EXPECT_TRUE(copy.is_current(weight, memory));
  EXPECT_NE(memory_of(copy.of(weight, at::kHalf)), memory_of(memory));
  EXPECT_FALSE(copy.is_current(weight, memory));
}

}  // namespace
}  // namespace sarsweep::trainer
