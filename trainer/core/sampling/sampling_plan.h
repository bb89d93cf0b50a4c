#pragma once

#include <string>
#include <vector>

#include "trainer/core/config/model_config.h"

namespace sarsweep::trainer {

// One step of a deterministic sampler. With p the network's answer (noise or velocity, as the
// scheduler config says) at `timestep` for the input `input_scale * x`, x becomes `keep * x + add *
// p`.
struct SamplingStep {
  double timestep = 0;
  double input_scale = 1;
  double keep = 1;
  double add = 0;
};

// A whole sampler run in numbers. x starts as `initial_scale` times noise of unit variance.
struct SamplingPlan {
  double initial_scale = 1;
  std::vector<SamplingStep> steps;
};

// The arithmetic of diffusers' EulerDiscreteScheduler ("euler": x in units of sigma, final sigma 0)
// and DDIMScheduler with eta 0 ("ddim"), both with "leading" timesteps. Throws Error(invalid) with
// the field at fault: another sampler, other spacings, clipped pictures, steps outside 1 … the last
// trained timestep. A config without clip_sample or set_alpha_to_one is read as SDXL's, where both
// are false; diffusers' DDIMScheduler itself would default to true.
SamplingPlan plan_sampling(const SchedulerConfig& scheduler, const std::string& sampler, int steps);

}  // namespace sarsweep::trainer
