#include "trainer/kernels/adamw.h"

#include <cmath>
#include <cstring>

#include "trainer/kernels/adamw_scalars.h"
#include "trainer/kernels/narrow.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SARSWEEP_WIDE_VECTORS
#endif

namespace sarsweep::trainer {
namespace {

struct Numbers {
  float *weight, *exp_avg, *exp_avg_sq;
  const float* gradient;
  std::uint16_t* narrow;
};

inline __attribute__((always_inline)) void step_numbers(const Numbers& at, std::int64_t count,
                                                        const AdamWScalars& by, float divisor) {
  float* __restrict weight = at.weight;
  float* __restrict exp_avg = at.exp_avg;
  float* __restrict exp_avg_sq = at.exp_avg_sq;
  const float* __restrict gradient = at.gradient;
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] / divisor;
    const float m = exp_avg[i] + by.of_gradient * (g - exp_avg[i]);
    const float v = by.beta2 * exp_avg_sq[i] + by.of_square * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    const float root = std::sqrt(v) / by.root_correction + by.eps;
    weight[i] = weight[i] * by.keep - by.step_size * m / root;
  }
}

inline __attribute__((always_inline)) void narrow_numbers(const Numbers& at, std::int64_t count) {
  const float* __restrict weight = at.weight;
  std::uint16_t* __restrict narrow = at.narrow;
  for (std::int64_t i = 0; i < count; ++i) narrow[i] = nearest_bf16(weight[i]);
}

// In pieces that stay in the first cache between the two loops.
inline __attribute__((always_inline)) void step_and_narrow(const Numbers& at, std::int64_t count,
                                                           const AdamWScalars& by, float divisor) {
  if (at.narrow == nullptr) return step_numbers(at, count, by, divisor);
  constexpr std::int64_t kPiece = 1024;
  for (std::int64_t begin = 0; begin < count; begin += kPiece) {
    const std::int64_t size = begin + kPiece < count ? kPiece : count - begin;
    const Numbers piece = {at.weight + begin, at.exp_avg + begin, at.exp_avg_sq + begin,
                           at.gradient + begin, at.narrow + begin};
    step_numbers(piece, size, by, divisor);
    narrow_numbers(piece, size);
  }
}

// The processor reads ahead to the end of a page: from several places at once it waits less.
constexpr std::int64_t kPlaces = 4;
constexpr std::int64_t kLanes = 8;

inline __attribute__((always_inline)) double squares(const float* values, std::int64_t count) {
  using Floats = float __attribute__((vector_size(kLanes * sizeof(float))));
  using Doubles = double __attribute__((vector_size(kLanes * sizeof(double))));
  const std::int64_t stride = count / (kPlaces * kLanes) * kLanes;
  Doubles lanes[kPlaces] = {};
  for (std::int64_t i = 0; i < stride; i += kLanes) {
    for (std::int64_t place = 0; place < kPlaces; ++place) {
      Floats narrow;
      std::memcpy(&narrow, values + place * stride + i, sizeof narrow);
      const Doubles wide = __builtin_convertvector(narrow, Doubles);
      lanes[place] += wide * wide;
    }
  }
  double sum = 0;
  for (const Doubles& at : lanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) sum += at[lane];
  }
  for (std::int64_t i = kPlaces * stride; i < count; ++i) {
    sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  return sum;
}

// The same for each width of vector a processor may have.
#ifdef SARSWEEP_WIDE_VECTORS
__attribute__((target("avx512f,avx512vl,prefer-vector-width=512"))) void step_512(
    const Numbers& at, std::int64_t count, const AdamWScalars& by, float divisor) {
  step_and_narrow(at, count, by, divisor);
}
__attribute__((target("avx2,fma"))) void step_256(const Numbers& at, std::int64_t count,
                                                  const AdamWScalars& by, float divisor) {
  step_and_narrow(at, count, by, divisor);
}
__attribute__((target("avx512f,avx512vl,prefer-vector-width=512"))) double squares_512(
    const float* values, std::int64_t count) {
  return squares(values, count);
}
__attribute__((target("avx2,fma"))) double squares_256(const float* values, std::int64_t count) {
  return squares(values, count);
}
#endif

void step_plain(const Numbers& at, std::int64_t count, const AdamWScalars& by, float divisor) {
  step_and_narrow(at, count, by, divisor);
}
double squares_plain(const float* values, std::int64_t count) { return squares(values, count); }

struct Widest {
  void (*step)(const Numbers&, std::int64_t, const AdamWScalars&, float) = step_plain;
  double (*squares)(const float*, std::int64_t) = squares_plain;

  Widest() {
#ifdef SARSWEEP_WIDE_VECTORS
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
      step = step_512;
      squares = squares_512;
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      step = step_256;
      squares = squares_256;
    }
#endif
  }
};

const Widest& widest() {
  static const Widest chosen;
  return chosen;
}

}  // namespace

void adamw(const AdamWTensor& tensor, std::int64_t begin, std::int64_t end, const AdamWRates& rates,
           const AdamWScale& scale) {
  if (*scale.finite == 0) return;
  const Numbers from = {tensor.weight + begin, tensor.exp_avg + begin, tensor.exp_avg_sq + begin,
                        tensor.gradient + begin,
                        tensor.narrow == nullptr ? nullptr : tensor.narrow + begin};
  widest().step(from, end - begin, AdamWScalars(rates, tensor.step), *scale.divisor);
}

double sum_of_squares(const float* values, std::int64_t begin, std::int64_t end) {
  return widest().squares(values + begin, end - begin);
}

}  // namespace sarsweep::trainer
