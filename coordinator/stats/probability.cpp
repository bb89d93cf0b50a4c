#include "coordinator/stats/probability.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace sarsweep::stats {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTiny = 1e-300;
constexpr double kPrecision = 1e-15;
constexpr int kMostTerms = 10'000;
// Above, the normal distribution differs by less than any digit that is shown.
constexpr double kManyDegrees = 1e9;
constexpr double kLeastQuantile = -37.5;  // below, the tail is no normal double

// ln Γ(x), x > 0: Stirling's series, behind Γ(x + 1) = x Γ(x). The library's lgamma writes a
// global.
double log_gamma(double x) {
  double product = 1;
  for (; x < 12; ++x) product *= x;
  const double y = 1 / (x * x);
  const double series =
      (1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y * (1.0 / 1680 - y / 1188)))) / x;
  return (x - 0.5) * std::log(x) - x + 0.5 * std::log(2 * std::numbers::pi) + series -
         std::log(product);
}

// A continued fraction b0 + a1/(b1 + a2/(b2 + …)), by the modified method of Lentz (Thompson and
// Barnett, 1986), fed with one (a, b) after the other.
class Fraction {
 public:
  explicit Fraction(double b) : value_(b == 0 ? kTiny : b), c_(value_) {}
  // False once the value stands.
  bool feed(double a, double b) {
    d_ = b + a * d_;
    if (d_ == 0) d_ = kTiny;
    d_ = 1 / d_;
    c_ = b + a / c_;
    if (c_ == 0) c_ = kTiny;
    value_ *= c_ * d_;
    return std::abs(c_ * d_ - 1) > kPrecision && ++terms_ < kMostTerms;
  }
  double value() const { return value_; }

 private:
  double value_, c_, d_ = 0;
  int terms_ = 0;
};

// DLMF 8.17.22; converges fast for x < (a + 1) / (a + b + 2).
double beta_fraction(double x, double a, double b) {
  Fraction fraction(1);
  for (double m = 0;; ++m) {
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    if (!fraction.feed(odd, 1)) break;
    const double k = m + 1;
    if (!fraction.feed(k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k)), 1)) break;
  }
  return fraction.value();
}

// The regularised incomplete beta function I_x(a, b); y = 1 - x, which the caller knows better.
double incomplete_beta(double x, double y, double a, double b) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const double front =
      std::exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * std::log(x) + b * std::log(y));
  if (x < (a + 1) / (a + b + 2)) return front / (a * beta_fraction(x, a, b));
  return 1 - front / (b * beta_fraction(y, b, a));
}

double normal_two_sided(double z) { return std::erfc(std::abs(z) / std::numbers::sqrt2); }

// DLMF 8.11.4 below the mean, 8.9.2 above.
double incomplete_gamma(double a, double x) {
  if (x <= 0) return 0;
  const double front = std::exp(a * std::log(x) - x - log_gamma(a));
  if (x < a + 1) {
    double term = 1 / a;
    double sum = term;
    for (double k = a + 1; term > sum * kPrecision; ++k) sum += term *= x / k;
    return front * sum;
  }
  Fraction fraction(x + 1 - a);
  for (double k = 1; fraction.feed(-k * (k - a), x + 2 * k + 1 - a); ++k) {
  }
  return 1 - front / fraction.value();
}

}  // namespace

double normal_cdf(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

// Newton on the logarithm of the tail, which is concave: it converges from the origin.
double normal_quantile(double p) {
  if (!(p > 0)) return -kInfinity;
  if (!(p < 1)) return kInfinity;
  if (p > 0.5) return -normal_quantile(1 - p);
  double z = 0;
  for (int i = 0; i < 100; ++i) {
    const double tail = normal_cdf(z);
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
    const double step = (std::log(tail) - std::log(p)) * tail / density;
    z = std::max(z - step, kLeastQuantile);
    if (std::abs(step) < 1e-14 * (1 + std::abs(z))) break;
  }
  return z;
}

double student_two_sided(double t, double degrees) {
  if (degrees > kManyDegrees) return normal_two_sided(t);
  const double square = t * t;
  if (std::isinf(square)) return 0;
  return incomplete_beta(degrees / (degrees + square), square / (degrees + square), degrees / 2,
                         0.5);
}

// The tail falls with t: doubling brackets the value, halving finds it.
double student_critical(double tail, double degrees) {
  double high = 1;
  while (student_two_sided(high, degrees) > tail && high < 1e300) high *= 2;
  double low = high > 1 ? high / 2 : 0;
  while (high - low > 1e-14 * high) {
    const double middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    (student_two_sided(middle, degrees) > tail ? low : high) = middle;
  }
  return (low + high) / 2;
}

double chi_squared_cdf(double x, double degrees) { return incomplete_gamma(degrees / 2, x / 2); }

}  // namespace sarsweep::stats
