#include "trainer/core/sampling/sampling_plan.h"

#include <fmt/format.h>

#include <cmath>

#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "trainer/core/schedule/noise_schedule.h"

namespace sarsweep::trainer {
namespace {

[[noreturn]] void refuse(const char* field, const std::string& reason) {
  throw Error(ErrorCode::invalid, reason, field);
}

double sigma_of(float alpha) { return std::sqrt((1.0 - alpha) / alpha); }

// Descending: n equal strides from 0, moved up by steps_offset.
std::vector<int> leading_timesteps(const SchedulerConfig& scheduler, int steps) {
  const int stride = scheduler.num_train_timesteps / steps;
  std::vector<int> timesteps;
  for (int i = steps; i-- > 0;) timesteps.push_back(i * stride + scheduler.steps_offset);
  return timesteps;
}

// x' = x + (sigma' - sigma) dx/dsigma, where dx/dsigma = (x - x0) / sigma.
SamplingStep euler_step(double sigma, double next, bool velocity) {
  const double delta = next - sigma;
  const double variance = sigma * sigma + 1;
  SamplingStep step{.input_scale = 1 / std::sqrt(variance)};
  step.keep = velocity ? 1 + delta * sigma / variance : 1;
  step.add = velocity ? delta / std::sqrt(variance) : delta;
  return step;
}

// x' = sqrt(a') x0 + sqrt(1 - a') eps, both estimated from x and the answer (arXiv 2010.02502 eq.
// 12).
SamplingStep ddim_step(double alpha, double next, bool velocity) {
  const double signal = std::sqrt(alpha);
  const double noise = std::sqrt(1 - alpha);
  const double next_signal = std::sqrt(next);
  const double next_noise = std::sqrt(1 - next);
  if (velocity) {
    return {.keep = next_signal * signal + next_noise * noise,
            .add = next_noise * signal - next_signal * noise};
  }
  return {.keep = next_signal / signal, .add = next_noise - next_signal * noise / signal};
}

bool flag(const SchedulerConfig& scheduler, const char* name) {
  return scheduler.json.is_object() && scheduler.json.value(name, false);
}

void check(const SchedulerConfig& scheduler, const std::string& sampler, int steps) {
  if (sampler != "euler" && sampler != "ddim") {
    refuse("sampler", fmt::format("unknown sampler \"{}\"; use euler or ddim", sampler));
  }
  if (scheduler.timestep_spacing != "leading") {
    refuse("timestep_spacing",
           fmt::format("the scheduler's timestep_spacing \"{}\" is not supported, only \"leading\"",
                       scheduler.timestep_spacing));
  }
  if (sampler == "ddim" && flag(scheduler, "clip_sample")) {
    refuse("clip_sample",
           "the scheduler clips pictures in every step (clip_sample), which DDIM does "
           "not support here; set it to false in scheduler_config.json");
  }
  const int trained = scheduler.num_train_timesteps;
  if (steps < 1 || steps > trained) {
    refuse("steps", fmt::format("{} sampling steps; use 1 to {}", steps, trained - 1));
  }
  const int highest = (steps - 1) * (trained / steps) + scheduler.steps_offset;
  if (highest >= trained) {
    refuse("steps",
           fmt::format("{} sampling steps begin at timestep {}, but {} is the last one trained; "
                       "use fewer",
                       steps, highest, trained - 1));
  }
}

}  // namespace

SamplingPlan plan_sampling(const SchedulerConfig& scheduler, const std::string& sampler,
                           int steps) {
  check(scheduler, sampler, steps);
  const std::vector<float> alphas =
      alphas_cumprod(static_cast<std::size_t>(scheduler.num_train_timesteps), scheduler.beta_start,
                     scheduler.beta_end);
  const std::vector<int> timesteps = leading_timesteps(scheduler, steps);
  const bool velocity = scheduler.prediction_type == "v_prediction";
  const bool end_at_one = flag(scheduler, "set_alpha_to_one");
  const int stride = scheduler.num_train_timesteps / steps;
  SamplingPlan plan;
  for (std::size_t i = 0; i < timesteps.size(); ++i) {
    const auto t = static_cast<std::size_t>(timesteps[i]);
    SamplingStep step;
    if (sampler == "euler") {
      const bool ends = i + 1 == timesteps.size();
      const double next = ends ? 0 : sigma_of(alphas[static_cast<std::size_t>(timesteps[i + 1])]);
      step = euler_step(sigma_of(alphas[t]), next, velocity);
    } else {
      const int next = timesteps[i] - stride;
      const double end = end_at_one ? 1.0 : static_cast<double>(alphas.front());
      step = ddim_step(alphas[t],
                       next < 0 ? end : static_cast<double>(alphas[static_cast<std::size_t>(next)]),
                       velocity);
    }
    step.timestep = timesteps[i];
    plan.steps.push_back(step);
  }
  if (sampler == "euler") plan.initial_scale = 1 / plan.steps.front().input_scale;
  return plan;
}

}  // namespace sarsweep::trainer
