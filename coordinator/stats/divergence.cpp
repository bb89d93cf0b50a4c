#include "coordinator/stats/divergence.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sarsweep::stats {
namespace {

using Block = std::array<double, kBlock>;

constexpr double kEpsilon = 1e-10;
// Stands for an empty bin under the logarithm, where the bin's share is 0 beside it.
constexpr double kLeast = 1e-300;

// Where a sum starts: nothing is the number of a side without pixels.
double start(double real_pixels, double generated_pixels) {
  return real_pixels > 0 && generated_pixels > 0 ? 0 : std::numeric_limits<double>::quiet_NaN();
}

// p = scale * count + shift.
double scale_of(double pixels, std::size_t bins, Smoothing smoothing) {
  const auto n = static_cast<double>(bins);
  return smoothing == Smoothing::half ? 1 / (pixels + n / 2) : 1 / (pixels * (1 + n * kEpsilon));
}
double shift_of(double pixels, std::size_t bins, Smoothing smoothing) {
  const auto n = static_cast<double>(bins);
  return smoothing == Smoothing::half ? 0.5 / (pixels + n / 2) : kEpsilon / (1 + n * kEpsilon);
}

// In an order of its own, so that no addition waits for the last.
double sum_of(const Block& terms) {
  std::array<double, 4> sums{};
  for (std::size_t k = 0; k < kBlock; ++k) sums[k % 4] += terms[k];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

// x = m 2^e with m in [√½, √2), and ln m = 2 artanh(s) with s = (m - 1) / (m + 1), |s| < 0.172: its
// series, whose eleventh term is below 2^-55.
Block logarithms(const Block& x) {
  constexpr std::uint64_t kRootHalf = 0x3FE6A09E667F3BCDULL;
  constexpr std::uint64_t kBias = 1023ULL << 52U;
  constexpr std::uint64_t kMantissa = (1ULL << 52U) - 1;
  constexpr std::uint64_t kTwo52 = 0x4330000000000000ULL;  // 2^52, whose last bit counts units
  constexpr double kLn2High = 0x1.62e42fefa38p-1;          // e times it is exact
  constexpr double kLn2Low = 0x1.ef35793c7673p-45;
  Block out;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const std::uint64_t shifted = std::bit_cast<std::uint64_t>(x[i]) - kRootHalf + kBias;
    const double e = std::bit_cast<double>((shifted >> 52U) | kTwo52) - (0x1p52 + 1023);
    const double m = std::bit_cast<double>((shifted & kMantissa) + kRootHalf);
    const double s = (m - 1) / (m + 1);
    const double z = s * s;
    double series = 1.0 / 21;
    series = series * z + 1.0 / 19;
    series = series * z + 1.0 / 17;
    series = series * z + 1.0 / 15;
    series = series * z + 1.0 / 13;
    series = series * z + 1.0 / 11;
    series = series * z + 1.0 / 9;
    series = series * z + 1.0 / 7;
    series = series * z + 1.0 / 5;
    series = series * z + 1.0 / 3;
    out[i] = e * kLn2High + (2 * s + (2 * s * (z * series) + e * kLn2Low));
  }
  return out;
}

KlSum::KlSum(double real_pixels, double generated_pixels, std::size_t bins, Smoothing smoothing)
    : real_scale_(scale_of(real_pixels, bins, smoothing)),
      real_shift_(shift_of(real_pixels, bins, smoothing)),
      generated_scale_(scale_of(generated_pixels, bins, smoothing)),
      generated_shift_(shift_of(generated_pixels, bins, smoothing)),
      sum_(start(real_pixels, generated_pixels)) {}

void KlSum::add(const double* real, const double* generated, std::size_t n) {
  Block share{};
  Block ratio;
  ratio.fill(1);
  for (std::size_t k = 0; k < n; ++k) {
    share[k] = real[k] * real_scale_ + real_shift_;
    ratio[k] = share[k] / (generated[k] * generated_scale_ + generated_shift_);
  }
  Block terms = logarithms(ratio);
  for (std::size_t k = 0; k < kBlock; ++k) terms[k] *= share[k];
  sum_ += sum_of(terms);
}

JsSum::JsSum(double real_pixels, double generated_pixels)
    : real_scale_(1 / real_pixels),
      generated_scale_(1 / generated_pixels),
      sum_(start(real_pixels, generated_pixels)) {}

void JsSum::add(const double* real, const double* generated, std::size_t n) {
  Block p{};
  Block q{};
  Block p_ratio;
  Block q_ratio;
  p_ratio.fill(1);
  q_ratio.fill(1);
  for (std::size_t k = 0; k < n; ++k) {
    p[k] = real[k] * real_scale_;
    q[k] = generated[k] * generated_scale_;
    const double middle = std::max((p[k] + q[k]) / 2, kLeast);
    p_ratio[k] = std::max(p[k] / middle, kLeast);
    q_ratio[k] = std::max(q[k] / middle, kLeast);
  }
  p_ratio = logarithms(p_ratio);
  q_ratio = logarithms(q_ratio);
  Block terms;
  for (std::size_t k = 0; k < kBlock; ++k) {
    terms[k] = (p[k] * p_ratio[k] + q[k] * q_ratio[k]) / 2;
  }
  sum_ += sum_of(terms);
}

WassersteinSum::WassersteinSum(double real_pixels, double generated_pixels, std::size_t bins)
    : real_scale_(1 / real_pixels),
      generated_scale_(1 / generated_pixels),
      bins_(static_cast<double>(bins)),
      area_(start(real_pixels, generated_pixels)) {}

void WassersteinSum::add(const double* real, const double* generated, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) {
    cumulated_ += real[k] * real_scale_ - generated[k] * generated_scale_;
    area_ += std::abs(cumulated_);
  }
}

}  // namespace sarsweep::stats
