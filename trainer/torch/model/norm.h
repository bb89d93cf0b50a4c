#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// Both compute in the type of their input; their statistics are fp32.

// Group normalisation of [B,C,h,w] with an affine map per channel.
struct GroupNorm {
  GroupNorm(Component& owner, const std::string& name, std::int64_t channels, std::int64_t groups,
            double eps);
  at::Tensor operator()(const at::Tensor& x) const;
  at::Tensor silu(const at::Tensor& x) const;  // n·sigmoid(n) of the above

  at::Tensor weight, bias;
  std::int64_t groups;
  double eps;

 private:
  at::Tensor normed(const at::Tensor& x, bool activated) const;
};

// Layer normalisation over the last axis.
struct LayerNorm {
  LayerNorm(Component& owner, const std::string& name, std::int64_t width, double eps);
  at::Tensor operator()(const at::Tensor& x) const;

  at::Tensor weight, bias;
  double eps;
};

}  // namespace sarsweep::trainer
