#include "trainer/core/schedule/noise_schedule.h"

#include <algorithm>
#include <cmath>

namespace sarsweep::trainer {
namespace {

// Element i of torch.linspace(start, end, count) in fp32: both halves count from their own end.
float spaced(float start, float end, std::size_t count, std::size_t i) {
  if (count == 1) return start;
  const float step = (end - start) / static_cast<float>(count - 1);
  return i < count / 2 ? std::fma(step, static_cast<float>(i), start)
                       : std::fma(-step, static_cast<float>(count - 1 - i), end);
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

std::vector<float> alphas_cumprod(std::size_t timesteps, double beta_start, double beta_end) {
  const auto first = static_cast<float>(std::sqrt(beta_start));
  const auto last = static_cast<float>(std::sqrt(beta_end));
  std::vector<float> result(timesteps);
  double product = 1.0;  // torch.cumprod accumulates in double on the CPU
  for (std::size_t t = 0; t < timesteps; ++t) {
    const float root = spaced(first, last, timesteps, t);
    product *= static_cast<double>(1.0F - root * root);
    result[t] = static_cast<float>(product);
  }
  return result;
}

NoiseSchedule make_noise_schedule(double beta_start, double beta_end) {
  const std::vector<float> alphas = alphas_cumprod(kTimesteps, beta_start, beta_end);
  NoiseSchedule schedule;
  for (std::size_t t = 0; t < kTimesteps; ++t) {
    schedule.alphas_cumprod[t] = alphas[t];
    schedule.signal[t] = std::sqrt(alphas[t]);
    schedule.noise[t] = std::sqrt(1.0F - alphas[t]);
  }
  return schedule;
}

}  // namespace sarsweep::trainer
