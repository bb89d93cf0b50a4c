#pragma once

#include <cstdint>

// Group normalisation (Wu & He, ECCV 2018) of [B,C,h,w], each channel's affine map and, where
// `silu`, y = n·sigmoid(n) of what comes out, in one pass over the memory. fp32 on the host, sums
// in double. `items` count the (picture, group) pairs: item = picture · groups + group.
namespace sarsweep::trainer {

struct GroupNormShape {
  std::int64_t batch = 0, channels = 0, area = 0, groups = 1;  // area = h·w
  double eps = 1e-5;
  bool silu = false;

  std::int64_t items() const { return batch * groups; }
  std::int64_t width() const { return channels / groups; }  // channels of a group
};

// y, and each item's mean and 1 / standard deviation, of items [begin, end).
void group_norm(const GroupNormShape& shape, const float* x, const float* weight, const float* bias,
                float* y, float* mean, float* rstd, std::int64_t begin, std::int64_t end);

// The gradient of x, and what items [begin, end) add to those of weight and bias: of_weight and
// of_bias are [B,C], to be summed over the pictures.
struct GroupNormGradients {
  float *x = nullptr, *weight = nullptr, *bias = nullptr;
};
void group_norm_backward(const GroupNormShape& shape, const float* of_y, const float* x,
                         const float* weight, const float* bias, const float* mean,
                         const float* rstd, const GroupNormGradients& of, std::int64_t begin,
                         std::int64_t end);

}  // namespace sarsweep::trainer
