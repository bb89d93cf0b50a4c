#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainer/core/config/model_config.h"

namespace sarsweep::trainer {

// One step of a sampler. The network is asked at `timestep` with `input_scale * x`; its answer p
// (noise or velocity, as the scheduler config says) gives the estimate of the clean latents
//   x0 = clean_of_x * x + clean_of_answer * p,
// and x becomes
//   keep * x + clean * x0 + earlier * (x0 of the step before) + draw * (fresh unit noise).
struct SamplingStep {
  double timestep = 0;
  double input_scale = 1;
  double clean_of_x = 0, clean_of_answer = 0;
  double keep = 0, clean = 0;
  double earlier = 0;  // 0 but in dpmpp_2m's second-order steps
  double draw = 0;     // 0 but in ddpm's
};

// A whole sampler run in numbers. x starts as noise_scale * (unit noise) + picture_scale * (scaled
// latents of the picture to begin from).
struct SamplingPlan {
  double noise_scale = 1;
  double picture_scale = 0;  // 0: no picture
  std::vector<SamplingStep> steps;
};

// The arithmetic of the diffusers class behind `sampler` (timesteps.h): Euler's x is in units of
// sigma with final sigma 0, the others keep the variance. Formulas: DDIM arXiv 2010.02502 eq. 12,
// DPM-Solver++ 2M arXiv 2211.01095 alg. 2, DDPM arXiv 2006.11239 eq. 6 and 7.
//
// `strength` in (0,1]: begin from a picture. As in diffusers' img2img the last int(steps *
// strength) of the steps remain, and the picture's latents get the noise of the first of them.
//
// Throws Error(invalid) with the field at fault: another sampler, a spacing or number of steps that
// cannot be, a strength that leaves no step, a key of scheduler_config.json that asks for what is
// not computed here (Karras sigmas, clipped pictures, …). A config without clip_sample or
// set_alpha_to_one is read as SDXL's, where both are false; diffusers' DDIMScheduler itself would
// default to true.
SamplingPlan plan_sampling(const SchedulerConfig& scheduler, const std::string& sampler, int steps,
                           std::optional<double> strength = std::nullopt);

}  // namespace sarsweep::trainer
