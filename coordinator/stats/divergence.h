#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace sarsweep::stats {

// How empty bins are filled (docs/evaluation.md). With n bins and counts c that sum to N:
//   eps   p = c / N + 1e-10, renormalised
//   half  p = (c + 1/2) / (N + n/2)
enum class Smoothing { eps, half };

// Bins that a sum is fed with at a time.
inline constexpr std::size_t kBlock = 16;

// The divergences of docs/evaluation.md between two histograms, real and generated, whose counts
// may have any weight. A sum knows the number of pixels of each side and is fed with the bins in
// their order, kBlock at a time, the last time with what is left. Values are NaN where a side has
// no pixel. Every operation is exactly rounded or written out here, so that the digits are the same
// on every machine. Pure.

// Kullback-Leibler, Σ p ln(p/q), in nats; p is the real side.
class KlSum {
 public:
  KlSum(double real_pixels, double generated_pixels, std::size_t bins, Smoothing smoothing);
  void add(const double* real, const double* generated, std::size_t n);
  double value() const { return sum_; }

 private:
  double real_scale_, real_shift_, generated_scale_, generated_shift_;
  double sum_;
};

// Jensen-Shannon, in nats, unsmoothed.
class JsSum {
 public:
  JsSum(double real_pixels, double generated_pixels);
  void add(const double* real, const double* generated, std::size_t n);
  double value() const { return sum_; }

 private:
  double real_scale_, generated_scale_;
  double sum_;
};

// Wasserstein-1, in units of the stretched amplitude, unsmoothed.
class WassersteinSum {
 public:
  WassersteinSum(double real_pixels, double generated_pixels, std::size_t bins);
  void add(const double* real, const double* generated, std::size_t n);
  double value() const { return area_ / bins_; }

 private:
  double real_scale_, generated_scale_;
  double bins_;
  double cumulated_ = 0;
  double area_;
};

// Feeds `sum` with whole histograms of equal bins.
template <typename Sum>
double fed(Sum sum, const double* real, const double* generated, std::size_t bins) {
  for (std::size_t i = 0; i < bins; i += kBlock) {
    sum.add(real + i, generated + i, bins - i < kBlock ? bins - i : kBlock);
  }
  return sum.value();
}

// The natural logarithm of positive normal numbers, to two units in the last place.
std::array<double, kBlock> logarithms(const std::array<double, kBlock>& x);

}  // namespace sarsweep::stats
