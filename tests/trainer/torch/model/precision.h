#pragma once

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <algorithm>

// fp32 held to its twin in double precision.
namespace sarsweep::trainer {

struct SeededTest : testing::Test {
  SeededTest() { at::manual_seed(1); }
};

// The largest difference, relative to the largest value.
inline double distance(const at::Tensor& got, const at::Tensor& exact) {
  const double size = exact.abs().max().item<double>();
  return (got.to(at::kDouble) - exact).abs().max().item<double>() / std::max(size, 1e-30);
}

// A leaf of the same values.
inline at::Tensor doubled(const at::Tensor& tensor) {
  return tensor.detach().to(at::kDouble).set_requires_grad(tensor.requires_grad());
}

}  // namespace sarsweep::trainer
