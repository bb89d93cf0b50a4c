#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace sarsweep::trainer {

inline constexpr std::size_t kTimesteps = 1000;

// What the network's answer means: the noise eps, or v = signal[t] eps - noise[t] z (Salimans & Ho,
// ICLR 2022).
enum class Prediction { epsilon, velocity };

// alpha_bar = cumprod(1 - beta) with beta_i = linspace(sqrt(beta_start), sqrt(beta_end),
// timesteps)_i^2, in fp32 as diffusers' schedulers compute "scaled_linear", to the last bit.
std::vector<float> alphas_cumprod(std::size_t timesteps, double beta_start, double beta_end);

// SDXL's discrete diffusion: the 1000 alpha_bar of beta 0.00085 to 0.012. z_t = signal[t] z +
// noise[t] eps.
struct NoiseSchedule {
  std::array<float, kTimesteps> alphas_cumprod{};
  std::array<float, kTimesteps> signal{};  // sqrt(alpha_bar)
  std::array<float, kTimesteps> noise{};   // sqrt(1 - alpha_bar)

  // alpha_bar / (1 - alpha_bar)
  double snr(std::size_t timestep) const;
  // Weight of an image's loss under min-SNR-gamma (Hang et al., ICCV 2023): min(snr, gamma) / snr
  // for epsilon, min(snr, gamma) / (snr + 1) for velocity.
  double min_snr_weight(std::size_t timestep, double gamma, Prediction prediction) const;
};

NoiseSchedule make_noise_schedule(double beta_start = 0.00085, double beta_end = 0.012);

}  // namespace sarsweep::trainer
