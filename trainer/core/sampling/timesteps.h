#pragma once

#include <string>
#include <vector>

#include "trainer/core/config/model_config.h"

namespace sarsweep::trainer {

// The four samplers, by the diffusers class whose numbers each one gives: EulerDiscreteScheduler,
// DDIMScheduler with eta 0, DPMSolverMultistepScheduler (DPM-Solver++, order 2, midpoint) and
// DDPMScheduler (ancestral, variance "fixed_small").
enum class Sampler { euler, ddim, dpmpp_2m, ddpm };
// Throws Error(invalid) with the field "sampler" and the four names.
Sampler parse_sampler(const std::string& name);

// The timesteps the network is asked at, strictly descending, by the scheduler's timestep_spacing
// "leading", "trailing" or "linspace" (Lin et al., arXiv 2305.08891, table 2), each class with its
// own rounding: Euler's linspace alone has fractions. Throws Error(invalid) for another spacing,
// and for a number of steps that would repeat a timestep or leave the trained ones.
std::vector<double> sampling_timesteps(const SchedulerConfig& scheduler, Sampler sampler,
                                       int steps);

}  // namespace sarsweep::trainer
