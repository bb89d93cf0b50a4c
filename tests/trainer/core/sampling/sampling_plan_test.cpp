#include "trainer/core/sampling/sampling_plan.h"

#include <gtest/gtest.h>

#include <cmath>

#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "trainer/core/sampling/timesteps.h"
#include "trainer/core/schedule/noise_schedule.h"

namespace sarsweep::trainer {
namespace {

const char* const kSamplers[] = {"euler", "ddim", "dpmpp_2m", "ddpm"};
const char* const kSpacings[] = {"leading", "trailing", "linspace"};

SchedulerConfig scheduler_with(const std::string& spacing,
                               const std::string& prediction = "epsilon") {
  SchedulerConfig scheduler;
  scheduler.timestep_spacing = spacing;
  scheduler.prediction_type = prediction;
  return scheduler;
}

std::string refused_field(const SchedulerConfig& scheduler, const std::string& sampler, int steps,
                          std::optional<double> strength = std::nullopt) {
  try {
    plan_sampling(scheduler, sampler, steps, strength);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    return error.field();
  }
  return "nothing";
}

struct Level {
  double signal, noise;
};

Level level_of(const std::string& sampler, double timestep) {
  static const std::vector<float> alphas = alphas_cumprod(1000, 0.00085, 0.012);
  const auto sigma_of = [](std::size_t t) { return std::sqrt((1.0 - alphas[t]) / alphas[t]); };
  const auto below = static_cast<std::size_t>(timestep);
  const double part = timestep - static_cast<double>(below);
  const double above = sigma_of(std::min<std::size_t>(below + 1, 999));
  const double sigma = (1 - part) * sigma_of(below) + part * above;
  if (sampler == "euler") return {1, sigma};
  return {1 / std::hypot(1, sigma), sigma / std::hypot(1, sigma)};
}

// Whatever the sampler: from x = signal * clean + noise * eps and the right answer of the network
// the estimate is `clean`, and x goes on at the next timestep's level, keeping its variance.
void expect_levels_kept(const SchedulerConfig& scheduler, const std::string& sampler, int steps) {
  const bool velocity = scheduler.prediction_type == "v_prediction";
  const SamplingPlan plan = plan_sampling(scheduler, sampler, steps);
  ASSERT_EQ(plan.steps.size(), static_cast<std::size_t>(steps));
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const SamplingStep& step = plan.steps[i];
    const Level now = level_of(sampler, step.timestep);
    EXPECT_NEAR(step.input_scale * std::hypot(now.signal, now.noise), 1, 1e-9);
    for (const auto& [clean, eps] : {std::pair{0.7, -1.3}, std::pair{-2.0, 0.4}}) {
      const double x = now.signal * clean + now.noise * eps;
      const double v = step.input_scale * (now.signal * eps - now.noise * clean);
      const double estimate = step.clean_of_x * x + step.clean_of_answer * (velocity ? v : eps);
      EXPECT_NEAR(estimate, clean, 1e-8);
    }
    const bool last = i + 1 == plan.steps.size();
    const Level next = last ? Level{1, 0} : level_of(sampler, plan.steps[i + 1].timestep);
    EXPECT_NEAR(step.keep * now.signal + step.clean + step.earlier, next.signal, 1e-9);
    EXPECT_NEAR(std::hypot(step.keep * now.noise, step.draw), next.noise, 1e-9);
  }
}

TEST(SamplingPlan, KeepsEveryStepAtItsNoiseLevel) {
  for (const std::string sampler : {"euler", "dpmpp_2m", "ddpm"}) {
    for (const char* spacing : kSpacings) {
      for (const char* prediction : {"epsilon", "v_prediction"}) {
        for (const int steps : {1, 2, 10, 30}) {
          SCOPED_TRACE(sampler + " " + spacing + " " + prediction + " " + std::to_string(steps));
          expect_levels_kept(scheduler_with(spacing, prediction), sampler, steps);
        }
      }
    }
  }
}

// DDIM goes down by 1000 / steps timesteps whatever the spacing, and stops at timestep 0.
TEST(SamplingPlan, DdimStridesEvenlyAndEndsAtTheFirstTimestep) {
  for (const char* spacing : kSpacings) {
    const SamplingPlan plan = plan_sampling(scheduler_with(spacing), "ddim", 10);
    for (const SamplingStep& step : plan.steps) {
      const Level now = level_of("ddim", step.timestep);
      const Level next = level_of("ddim", std::max(0.0, step.timestep - 100));
      EXPECT_NEAR(step.keep * now.signal + step.clean, next.signal, 1e-9);
      EXPECT_NEAR(step.keep * now.noise, next.noise, 1e-9);
    }
  }
  SchedulerConfig to_one = scheduler_with("leading");
  to_one.json = {{"set_alpha_to_one", true}};
  EXPECT_EQ(plan_sampling(to_one, "ddim", 10).steps.back().keep, 0);
}

TEST(SamplingPlan, OnlyDdpmDrawsAndOnlyDpmppLooksBack) {
  for (const std::string sampler : kSamplers) {
    int draws = 0;
    int looks = 0;
    for (const SamplingStep& step : plan_sampling(SchedulerConfig{}, sampler, 20).steps) {
      draws += step.draw > 0 ? 1 : 0;
      looks += step.earlier != 0 ? 1 : 0;
    }
    EXPECT_EQ(draws, sampler == "ddpm" ? 19 : 0) << sampler;
    EXPECT_EQ(looks, sampler == "dpmpp_2m" ? 18 : 0) << sampler;  // not the first, not the last
  }
}

TEST(SamplingPlan, BeginsWithTheNoiseOfItsSpacing) {
  const double leading = level_of("euler", 901).noise;
  EXPECT_NEAR(plan_sampling(scheduler_with("leading"), "euler", 10).noise_scale,
              std::hypot(1, leading), 1e-9);
  const double highest = level_of("euler", 999).noise;
  EXPECT_NEAR(plan_sampling(scheduler_with("trailing"), "euler", 10).noise_scale, highest, 1e-9);
  EXPECT_NEAR(plan_sampling(scheduler_with("linspace"), "euler", 10).noise_scale, highest, 1e-9);
  for (const char* sampler : {"ddim", "dpmpp_2m", "ddpm"}) {
    const SamplingPlan plan = plan_sampling(scheduler_with("leading"), sampler, 10);
    EXPECT_EQ(plan.noise_scale, 1);
    EXPECT_EQ(plan.picture_scale, 0);
  }
}

TEST(SamplingPlan, OfAPictureKeepsTheLastSteps) {
  for (const std::string sampler : kSamplers) {
    const SamplingPlan whole = plan_sampling(SchedulerConfig{}, sampler, 10);
    const SamplingPlan part = plan_sampling(SchedulerConfig{}, sampler, 10, 0.39);
    ASSERT_EQ(part.steps.size(), 3u) << sampler;
    EXPECT_EQ(part.steps[0].timestep, whole.steps[7].timestep);
    EXPECT_EQ(part.steps[0].earlier, 0);
    const Level begin = level_of(sampler, part.steps[0].timestep);
    EXPECT_NEAR(part.picture_scale, begin.signal, 1e-9);
    EXPECT_NEAR(part.noise_scale, begin.noise, 1e-9);
    EXPECT_EQ(plan_sampling(SchedulerConfig{}, sampler, 10, 1.0).steps.size(), 10u);
  }
}

TEST(SamplingPlan, RefusesWhatItCannotHonour) {
  const SchedulerConfig sdxl;
  EXPECT_EQ(refused_field(sdxl, "heun", 10), "sampler");
  EXPECT_EQ(refused_field(scheduler_with("even"), "euler", 10), "timestep_spacing");
  EXPECT_EQ(refused_field(sdxl, "euler", 0), "steps");
  EXPECT_EQ(refused_field(sdxl, "euler", 1001), "steps");
  EXPECT_EQ(refused_field(sdxl, "ddim", 1000), "steps");      // begins at 1000
  EXPECT_EQ(refused_field(sdxl, "dpmpp_2m", 1000), "steps");  // strides of 0
  EXPECT_EQ(refused_field(scheduler_with("linspace"), "dpmpp_2m", 1000), "steps");
  EXPECT_EQ(refused_field(scheduler_with("trailing"), "ddim", 1000), "nothing");
  for (const double strength : {0.0, -0.5, 1.01, 0.09, std::nan("")}) {
    EXPECT_EQ(refused_field(sdxl, "euler", 10, strength), "strength") << strength;
  }
}

TEST(SamplingPlan, RefusesSchedulerKeysThatTheClassWouldObey) {
  const auto refusal = [](const char* sampler, const nlohmann::json& keys) {
    SchedulerConfig scheduler;
    scheduler.json = keys;
    return refused_field(scheduler, sampler, 10);
  };
  EXPECT_EQ(refusal("euler", {{"use_karras_sigmas", true}}), "use_karras_sigmas");
  EXPECT_EQ(refusal("dpmpp_2m", {{"use_karras_sigmas", true}}), "use_karras_sigmas");
  EXPECT_EQ(refusal("ddim", {{"use_karras_sigmas", true}}), "nothing");  // which it does not read
  EXPECT_EQ(refusal("euler", {{"final_sigmas_type", "sigma_min"}}), "final_sigmas_type");
  EXPECT_EQ(refusal("dpmpp_2m", {{"algorithm_type", "sde-dpmsolver++"}}), "algorithm_type");
  EXPECT_EQ(refusal("dpmpp_2m", {{"solver_order", 3}}), "solver_order");
  EXPECT_EQ(refusal("dpmpp_2m", {{"solver_order", 2}, {"use_karras_sigmas", nullptr}}), "nothing");
  EXPECT_EQ(refusal("ddim", {{"clip_sample", true}}), "clip_sample");
  EXPECT_EQ(refusal("euler", {{"clip_sample", true}}), "nothing");
  EXPECT_EQ(refusal("ddpm", {{"variance_type", "fixed_large"}}), "variance_type");
}

}  // namespace
}  // namespace sarsweep::trainer
