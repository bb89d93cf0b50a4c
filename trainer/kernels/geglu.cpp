#include "trainer/kernels/geglu.h"

#include <numbers>

#include "trainer/kernels/wide_vectors.h"

namespace sarsweep::trainer {
namespace {

constexpr float kRootHalf = 0.5F * std::numbers::sqrt2_v<float>;
constexpr float kDensityAtZero = kRootHalf * std::numbers::inv_sqrtpi_v<float>;  // 1 / sqrt(2 pi)

SARSWEEP_INLINE float normal_cdf(float x) { return 0.5F * (1.0F + erff(x * kRootHalf)); }

}  // namespace

SARSWEEP_WIDEST void geglu(const float* projected, float* y, std::int64_t rows,
                           std::int64_t width) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* value = projected + 2 * row * width;
    const float* gate = value + width;
    float* out = y + row * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) out[i] = value[i] * gate[i] * normal_cdf(gate[i]);
  }
}

SARSWEEP_WIDEST void geglu_backward(const float* of_y, const float* projected, float* of_projected,
                                    std::int64_t rows, std::int64_t width) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* grad = of_y + row * width;
    const float* value = projected + 2 * row * width;
    const float* gate = value + width;
    float* of_value = of_projected + 2 * row * width;
    float* of_gate = of_value + width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      const float cdf = normal_cdf(gate[i]);
      const float density = kDensityAtZero * expf(-0.5F * gate[i] * gate[i]);
      of_value[i] = grad[i] * gate[i] * cdf;
      of_gate[i] = grad[i] * value[i] * (cdf + gate[i] * density);
    }
  }
}

}  // namespace sarsweep::trainer
