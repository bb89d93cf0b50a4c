#include "tests/statistics/speckle.h"

#include <algorithm>
#include <cmath>

namespace sarsweep::statistics {
namespace {

constexpr double kThreshold = 0.999;
constexpr double kStretch = 2.2759810509810707;  // mean + 3 SD of one-look amplitude

// P(amplitude > r times the root of the mean square): with texture of shape v and one look,
// 2 / Γ(v) y^v K_v(2 y) of y = r √v.
double survival(double r, double texture) {
  const double y = r * std::sqrt(texture);
  if (y < 1e-9) return 1;
  if (y > 300) return 0;
  return std::min(
      1.0, 2 / std::tgamma(texture) * std::pow(y, texture) * std::cyl_bessel_k(texture, 2 * y));
}

// The survival function on a grid of ln r, which the gains only shift along.
class Curve {
 public:
  explicit Curve(double texture) {
    for (int i = 0; i <= kKnots; ++i) values_.push_back(survival(std::exp(at(i)), texture));
  }
  double operator()(double log_r) const {
    const double place = std::clamp((log_r - kLow) / kWidth, 0.0, kKnots - 1e-9);
    const auto knot = static_cast<std::size_t>(place);
    const double part = place - static_cast<double>(knot);
    return values_[knot] + part * (values_[knot + 1] - values_[knot]);
  }

 private:
  static constexpr int kKnots = 20'000;
  static constexpr double kLow = -12;
  static constexpr double kWidth = 20.0 / kKnots;
  static double at(int i) { return kLow + kWidth * i; }
  std::vector<double> values_;
};

}  // namespace

Speckle::Speckle(double texture) {
  const Curve curve(texture);
  for (int step = -kReach; step <= kReach; ++step) {
    double above = 1;
    for (std::size_t k = 1; k <= kBins; ++k) {
      const double edge = std::min(static_cast<double>(k) / kBins, kThreshold);
      const double next = curve(std::log(edge * kStretch) - kStep * step);
      shares_.push_back(std::max(0.0, above - next));
      above = next;
    }
    saturation_.push_back(above);
  }
}

int Speckle::step(double gain) {
  return std::clamp(static_cast<int>(std::lround(gain / kStep)), -kReach, kReach);
}

}  // namespace sarsweep::statistics
