#include "trainer/core/schedule/noise_schedule.h"

#include <algorithm>
#include <cmath>

namespace sarsweep::trainer {
namespace {

// torch.linspace in fp32: both halves count from their own end.
std::array<float, kTimesteps> linspace(float start, float end) {
  std::array<float, kTimesteps> values{};
  const float step = (end - start) / static_cast<float>(kTimesteps - 1);
  for (std::size_t i = 0; i < kTimesteps; ++i) {
    values[i] = i < kTimesteps / 2 ? std::fma(step, static_cast<float>(i), start)
                                   : std::fma(-step, static_cast<float>(kTimesteps - 1 - i), end);
  }
  return values;
}

}  // namespace

double NoiseSchedule::snr(std::size_t timestep) const {
  const double alpha = alphas_cumprod[timestep];
  return alpha / (1.0 - alpha);
}

double NoiseSchedule::min_snr_weight(std::size_t timestep, double gamma,
                                     Prediction prediction) const {
  const double ratio = snr(timestep);
  return std::min(ratio, gamma) / (prediction == Prediction::velocity ? ratio + 1 : ratio);
}

NoiseSchedule make_noise_schedule(double beta_start, double beta_end) {
  const auto roots =
      linspace(static_cast<float>(std::sqrt(beta_start)), static_cast<float>(std::sqrt(beta_end)));
  NoiseSchedule schedule;
  double product = 1.0;  // torch.cumprod accumulates in double on the CPU
  for (std::size_t t = 0; t < kTimesteps; ++t) {
    const float alpha = 1.0F - roots[t] * roots[t];
    product *= static_cast<double>(alpha);
    schedule.alphas_cumprod[t] = static_cast<float>(product);
    schedule.signal[t] = std::sqrt(schedule.alphas_cumprod[t]);
    schedule.noise[t] = std::sqrt(1.0F - schedule.alphas_cumprod[t]);
  }
  return schedule;
}

}  // namespace sarsweep::trainer
