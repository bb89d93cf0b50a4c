#pragma once

#include <cstddef>
#include <vector>

namespace sarsweep::statistics {

// Amplitudes of one-look speckle over gamma texture of shape `texture` (the K distribution), the
// root of their mean square e^gain times 1/2.276, so that without texture and gain 0.56 % lie above
// 0.999: bins of a histogram on [0, 1] by the gain, tabulated in steps of 0.01.
class Speckle {
 public:
  static constexpr std::size_t kBins = 256;
  static constexpr double kStep = 0.01;
  static constexpr int kReach = 400;  // steps to either side

  explicit Speckle(double texture);

  // The nearest step; gains beyond the reach are those at its end.
  static int step(double gain);
  // Shares of all pixels by bin, of those up to 0.999; and the rest.
  const double* shares(int step) const { return shares_.data() + row(step) * kBins; }
  double saturation(int step) const { return saturation_[row(step)]; }

 private:
  static std::size_t row(int step) { return static_cast<std::size_t>(step + kReach); }
  std::vector<double> shares_, saturation_;
};

}  // namespace sarsweep::statistics
