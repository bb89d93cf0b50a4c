#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/trainer/torch/model/precision.h"
#include "trainer/torch/model/geglu_node.h"

namespace sarsweep::trainer {
namespace {

class GegluTest : public SeededTest {};

TEST_F(GegluTest, AgreesWithItsFormulaInDoublePrecision) {
  for (const std::int64_t width : {1, 7, 16, 129}) {
    for (const double size : {0.1, 1.0, 8.0}) {
      SCOPED_TRACE(testing::Message() << "width " << width << ", size " << size);
      const at::Tensor x = (at::randn({2, 3, 2 * width}) * size).set_requires_grad(true);
      const at::Tensor x2 = doubled(x);
      const at::Tensor y = geglu(x);
      const std::vector<at::Tensor> halves = x2.chunk(2, -1);
      const at::Tensor exact = halves[0] * at::gelu(halves[1]);
      ASSERT_EQ(y.sizes(), exact.sizes());
      EXPECT_LE(distance(y, exact), 2e-6);
      const at::Tensor grad = at::randn(y.sizes());
      torch::autograd::backward({y}, {grad});
      torch::autograd::backward({exact}, {grad.to(at::kDouble)});
      EXPECT_LE(distance(x.grad(), x2.grad()), 2e-6);
    }
  }
}

// An infinite gate is a diverged run, which must be seen as one.
TEST_F(GegluTest, PassesOnWhatIsNotFinite) {
  at::Tensor x = at::randn({4, 32});
  x[1][20] = std::numeric_limits<float>::quiet_NaN();
  x[2][3] = std::numeric_limits<float>::infinity();
  const at::Tensor y = geglu(x);
  EXPECT_TRUE(std::isnan(y[1][4].item<float>()));
  EXPECT_FALSE(std::isfinite(y[2][3].item<float>()));
}

}  // namespace
}  // namespace sarsweep::trainer
