#include "trainer/kernels/group_norm.h"

#include "trainer/kernels/wide_vectors.h"

namespace sarsweep::trainer {
namespace {

SARSWEEP_INLINE double sum(const float* values, std::int64_t count) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) total += static_cast<double>(values[i]);
  return total;
}

SARSWEEP_INLINE double squares_about(float centre, const float* values, std::int64_t count) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < count; ++i) {
    const auto from = static_cast<double>(values[i] - centre);
    total += from * from;
  }
  return total;
}

// What a channel's numbers are mapped by. The mean comes off first: numbers far from 0 cancel
// exactly.
struct Affine {
  float mean, scale, bias;

  SARSWEEP_INLINE float operator()(float x) const { return (x - mean) * scale + bias; }
};

SARSWEEP_INLINE Affine affine_of(float weight, float bias, float mean, float rstd) {
  return {mean, weight * rstd, bias};
}

SARSWEEP_INLINE float sigmoid(float x) { return 1.0F / (1.0F + expf(-x)); }

// Of one channel: the gradient of n into `of_x`, and its sums alone and times x.
struct ChannelSums {
  double plain, times_x;
};

template <bool silu>
SARSWEEP_INLINE ChannelSums gradient_of_normed(const float* of_y, const float* x, Affine map,
                                               float* of_x, std::int64_t area) {
  double plain = 0, times_x = 0;
#pragma omp simd reduction(+ : plain, times_x)
  for (std::int64_t i = 0; i < area; ++i) {
    float grad = of_y[i];
    if constexpr (silu) {
      const float n = map(x[i]);
      const float gate = sigmoid(n);
      grad *= gate * (1.0F + n * (1.0F - gate));
    }
    of_x[i] = grad;
    plain += static_cast<double>(grad);
    times_x += static_cast<double>(grad) * static_cast<double>(x[i]);
  }
  return {plain, times_x};
}

template <bool silu>
SARSWEEP_INLINE void normalise(const float* x, Affine map, float* y, std::int64_t area) {
#pragma omp simd
  for (std::int64_t i = 0; i < area; ++i) {
    const float n = map(x[i]);
    y[i] = silu ? n * sigmoid(n) : n;
  }
}

template <bool silu>
SARSWEEP_INLINE void backward_of_item(const GroupNormShape& shape, const float* of_y,
                                      const float* x, const float* weight, const float* bias,
                                      float mean, float rstd, const GroupNormGradients& of,
                                      std::int64_t item) {
  const std::int64_t first = item % shape.groups * shape.width();  // channel
  const std::int64_t row = item / shape.groups * shape.channels;   // of the [B,C] sums
  double plain = 0, times_x = 0;                                   // weighted, of the group
  for (std::int64_t c = first; c < first + shape.width(); ++c) {
    const std::int64_t at = (row + c) * shape.area;
    const ChannelSums sums = gradient_of_normed<silu>(
        of_y + at, x + at, affine_of(weight[c], bias[c], mean, rstd), of.x + at, shape.area);
    of.bias[row + c] = static_cast<float>(sums.plain);
    of.weight[row + c] =
        static_cast<float>((sums.times_x - sums.plain * static_cast<double>(mean)) * rstd);
    plain += sums.plain * weight[c];
    times_x += sums.times_x * weight[c];
  }
  // of_x = rstd·(w·of_n - mean of that - x̂ · mean of that times x̂), x̂ = (x - mean)·rstd
  const auto count = static_cast<double>(shape.width() * shape.area);
  const double slope = (times_x - plain * mean) * rstd * rstd * rstd / count;
  const auto of_own = static_cast<float>(-slope);
  const auto constant = static_cast<float>(slope * mean - plain * rstd / count);
  for (std::int64_t c = first; c < first + shape.width(); ++c) {
    const std::int64_t at = (row + c) * shape.area;
    const float scale = weight[c] * rstd;
    const float* own = x + at;
    float* of_x = of.x + at;
#pragma omp simd
    for (std::int64_t i = 0; i < shape.area; ++i) {
      of_x[i] = scale * of_x[i] + of_own * own[i] + constant;
    }
  }
}

}  // namespace

SARSWEEP_WIDEST void group_norm(const GroupNormShape& shape, const float* x, const float* weight,
                                const float* bias, float* y, float* mean, float* rstd,
                                std::int64_t begin, std::int64_t end) {
  const std::int64_t size = shape.width() * shape.area;
  for (std::int64_t item = begin; item < end; ++item) {
    const float* values = x + item * size;
    const auto centre = static_cast<float>(sum(values, size) / static_cast<double>(size));
    const double variance = squares_about(centre, values, size) / static_cast<double>(size);
    mean[item] = centre;
    rstd[item] = static_cast<float>(1 / std::sqrt(variance + shape.eps));
    const std::int64_t first = item % shape.groups * shape.width();
    for (std::int64_t c = 0; c < shape.width(); ++c) {
      const Affine map = affine_of(weight[first + c], bias[first + c], mean[item], rstd[item]);
      float* out = y + item * size + c * shape.area;
      if (shape.silu) {
        normalise<true>(values + c * shape.area, map, out, shape.area);
      } else {
        normalise<false>(values + c * shape.area, map, out, shape.area);
      }
    }
  }
}

SARSWEEP_WIDEST void group_norm_backward(const GroupNormShape& shape, const float* of_y,
                                         const float* x, const float* weight, const float* bias,
                                         const float* mean, const float* rstd,
                                         const GroupNormGradients& of, std::int64_t begin,
                                         std::int64_t end) {
  for (std::int64_t item = begin; item < end; ++item) {
    if (shape.silu) {
      backward_of_item<true>(shape, of_y, x, weight, bias, mean[item], rstd[item], of, item);
    } else {
      backward_of_item<false>(shape, of_y, x, weight, bias, mean[item], rstd[item], of, item);
    }
  }
}

}  // namespace sarsweep::trainer
