#include "trainer/core/sampling/sampling_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "trainer/core/sampling/timesteps.h"
#include "trainer/core/schedule/noise_schedule.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const char* field, const std::string& reason) {
  throw Error(ErrorCode::invalid, reason, field);
}

// A key that the sampler's diffusers class obeys, with the one value computed here. Absent and null
// mean that value.
struct ObeyedKey {
  const char* key;
  json computed;
};

std::vector<ObeyedKey> obeyed_keys(Sampler sampler) {
  const std::vector<ObeyedKey> sigmas = {{"use_karras_sigmas", false},
                                         {"use_exponential_sigmas", false},
                                         {"use_beta_sigmas", false},
                                         {"final_sigmas_type", "zero"}};
  std::vector<ObeyedKey> keys;
  switch (sampler) {
    case Sampler::euler:
      keys = {{"interpolation_type", "linear"}, {"timestep_type", "discrete"}};
      keys.insert(keys.end(), sigmas.begin(), sigmas.end());
      return keys;
    case Sampler::dpmpp_2m:
      keys = {{"algorithm_type", "dpmsolver++"},
              {"solver_order", 2},
              {"solver_type", "midpoint"},
              {"use_lu_lambdas", false},
              {"thresholding", false}};
      keys.insert(keys.end(), sigmas.begin(), sigmas.end());
      return keys;
    case Sampler::ddim: return {{"clip_sample", false}, {"thresholding", false}};
    case Sampler::ddpm:
      return {{"clip_sample", false}, {"thresholding", false}, {"variance_type", "fixed_small"}};
  }
  return keys;
}

void require_computed(const SchedulerConfig& scheduler, Sampler sampler, const std::string& name) {
  if (!scheduler.json.is_object()) return;
  for (const ObeyedKey& obeyed : obeyed_keys(sampler)) {
    const auto found = scheduler.json.find(obeyed.key);
    if (found == scheduler.json.end() || found->is_null() || *found == obeyed.computed) continue;
    refuse(obeyed.key, fmt::format("the scheduler's {} is {}, but the sampler {} is computed with "
                                   "{} alone; change it in scheduler_config.json",
                                   obeyed.key, found->dump(), name, obeyed.computed.dump()));
  }
}

// x = signal * (clean latents) + noise * (unit noise).
struct Level {
  double signal, noise;
};

// The noise levels of the trained timesteps, as sigma = noise over signal.
class Levels {
 public:
  Levels(const SchedulerConfig& scheduler, Sampler sampler) : sampler_(sampler) {
    for (const float alpha : alphas_cumprod(static_cast<std::size_t>(scheduler.num_train_timesteps),
                                            scheduler.beta_start, scheduler.beta_end)) {
      sigmas_.push_back(std::sqrt((1.0 - alpha) / alpha));
    }
  }

  // Linear between two timesteps.
  double sigma(double timestep) const {
    const auto below = static_cast<std::size_t>(timestep);
    const std::size_t above = std::min(below + 1, sigmas_.size() - 1);
    const double part = timestep - static_cast<double>(below);
    return sigmas_[below] + part * (sigmas_[above] - sigmas_[below]);
  }

  Level at_sigma(double sigma) const {
    if (sampler_ == Sampler::euler) return {1, sigma};
    const double signal = 1 / std::sqrt(sigma * sigma + 1);
    return {signal, sigma * signal};
  }

 private:
  Sampler sampler_;
  std::vector<double> sigmas_;
};

// What the network's answer says about the clean latents, whatever the sampler.
SamplingStep asked_at(double timestep, Level now, bool velocity) {
  const double spread = std::hypot(now.signal, now.noise);  // of x; 1 where the variance is kept
  SamplingStep step{.timestep = timestep, .input_scale = 1 / spread};
  step.clean_of_x = velocity ? now.signal / (spread * spread) : 1 / now.signal;
  step.clean_of_answer = -now.noise / (velocity ? spread : now.signal);
  return step;
}

// The same estimates of clean latents and of noise at the next level: Euler, DDIM, and the first
// order of DPM-Solver++.
void move_straight(SamplingStep& step, Level now, Level next) {
  step.keep = next.noise / now.noise;
  step.clean = next.signal - now.signal * step.keep;
}

// After move_straight: half a difference quotient of the last two estimates over log sigma more.
void curve(SamplingStep& step, double before, double now, double next) {
  const double ratio = std::log(now / next) / std::log(before / now);
  step.earlier = -0.5 * ratio * step.clean;
  step.clean -= step.earlier;
}

// The mean and spread of the level before, given x and the clean latents.
void move_with_fresh_noise(SamplingStep& step, Level now, Level next) {
  const double shrink = now.signal / next.signal;
  const double added = 1 - shrink * shrink;  // beta of the whole stride
  const double variance = now.noise * now.noise;
  step.keep = shrink * next.noise * next.noise / variance;
  step.clean = next.signal * added / variance;
  step.draw = next.noise * std::sqrt(added) / now.noise;
}

// The sigma that step i of the schedule `times` arrives at.
double next_sigma(const SchedulerConfig& scheduler, Sampler sampler, const Levels& levels,
                  const std::vector<double>& times, std::size_t i) {
  if (sampler != Sampler::ddim) return i + 1 == times.size() ? 0 : levels.sigma(times[i + 1]);
  // DDIM strides by a fixed number of timesteps whatever the spacing, and ends at the level of
  // timestep 0 unless set_alpha_to_one.
  const int stride = scheduler.num_train_timesteps / static_cast<int>(times.size());
  const double next = times[i] - stride;
  if (next >= 0) return levels.sigma(next);
  const bool to_one =
      scheduler.json.is_object() && scheduler.json.value("set_alpha_to_one", json()) == true;
  return to_one ? 0 : levels.sigma(0);
}

std::size_t first_step(int steps, std::optional<double> strength) {
  if (!strength) return 0;
  if (!(*strength > 0 && *strength <= 1)) {
    refuse("strength", fmt::format("strength {} must be above 0 and at most 1", *strength));
  }
  const int kept = std::min(static_cast<int>(steps * *strength), steps);
  if (kept == 0) {
    refuse("strength", fmt::format("strength {} of {} steps leaves no step; use 1/{} or more",
                                   *strength, steps, steps));
  }
  return static_cast<std::size_t>(steps - kept);
}

}  // namespace

SamplingPlan plan_sampling(const SchedulerConfig& scheduler, const std::string& name, int steps,
                           std::optional<double> strength) {
  const Sampler sampler = parse_sampler(name);
  require_computed(scheduler, sampler, name);
  const std::vector<double> times = sampling_timesteps(scheduler, sampler, steps);
  const std::size_t first = first_step(steps, strength);
  const Levels levels(scheduler, sampler);
  const bool velocity = scheduler.predicts_velocity();
  SamplingPlan plan;
  for (std::size_t i = first; i < times.size(); ++i) {
    const double sigma = levels.sigma(times[i]);
    const double next = next_sigma(scheduler, sampler, levels, times, i);
    SamplingStep step = asked_at(times[i], levels.at_sigma(sigma), velocity);
    if (sampler == Sampler::ddpm) {
      move_with_fresh_noise(step, levels.at_sigma(sigma), levels.at_sigma(next));
    } else {
      move_straight(step, levels.at_sigma(sigma), levels.at_sigma(next));
    }
    if (sampler == Sampler::dpmpp_2m && i > first && next > 0) {
      curve(step, levels.sigma(times[i - 1]), sigma, next);
    }
    plan.steps.push_back(step);
  }
  const Level start = levels.at_sigma(levels.sigma(times[first]));
  if (strength) {
    plan.noise_scale = start.noise;
    plan.picture_scale = start.signal;
  } else if (sampler == Sampler::euler) {
    // The class starts with the spread of x for "leading", with sigma alone for the others.
    const bool spread = scheduler.timestep_spacing == "leading";
    plan.noise_scale = spread ? std::hypot(1.0, start.noise) : start.noise;
  }
  return plan;
}

}  // namespace sarsweep::trainer
