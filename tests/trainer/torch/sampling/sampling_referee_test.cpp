// Every sampler against diffusers' own class, live, on the same random numbers.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "tests/support/referee.h"
#include "tests/trainer/torch/tiny_pipeline.h"
#include "trainer/core/sampling/timesteps.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/sampling/sampler.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using tests::TemporaryFolder;

constexpr int kPixels = 8;  // of a latent, along an edge
constexpr int kMostSteps = 30;
constexpr std::int64_t kSeed = 1;

struct Shape {
  int height = 64, width = 64;  // pixels
};
constexpr Shape kUpright = {96, 64};  // where mixing up the two would show

struct Case {
  std::string sampler, spacing = "leading", prediction = "epsilon";
  int steps = 10;
  double cfg = 5;
  std::string negative = {};
  bool force_zeros = true;
  std::optional<double> strength = {};
};

const char* const kSamplers[] = {"euler", "ddim", "dpmpp_2m", "ddpm"};
const char* const kSpacings[] = {"leading", "trailing", "linspace"};
const char* const kPrompt = "a SAR image of a tank";

class AgainstDiffusers : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "open_clip's vocabulary is not in .venv";
    if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  }

  // What diffusers is given instead of its own random numbers.
  static NamedTensors shared_numbers(Shape shape) {
    const int rows = shape.height / kPixels, columns = shape.width / kPixels;
    std::vector<at::Tensor> steps;
    for (std::size_t i = 0; i < kMostSteps; ++i) {
      steps.push_back(sample_step_noise(kSeed, 0, i, rows, columns));
    }
    return {{"noise", sample_noise(kSeed, 0, rows, columns)},
            {"step_noise", at::cat(steps)},
            {"posterior_noise", sample_posterior_noise(kSeed, 0, rows, columns)},
            {"pixels", pixels(shape)}};
  }
  static at::Tensor pixels(Shape shape) {
    return tests::normal_tensor({1, 3, shape.height, shape.width}, "pixels").mul(0.4).clamp(-1, 1);
  }

  static at::Tensor ours(Pipeline& pipeline, const Case& row, Shape shape) {
    pipeline.scheduler.timestep_spacing = row.spacing;
    pipeline.scheduler.prediction_type = row.prediction;
    pipeline.model_index["force_zeros_for_empty_prompt"] = row.force_zeros;
    SampleOptions options;
    options.sampler = row.sampler;
    options.steps = row.steps;
    options.cfg = row.cfg;
    options.negative = row.negative;
    options.height = shape.height;
    options.width = shape.width;
    PictureRequest request{kPrompt, kSeed, 0, {}};
    if (row.strength) {
      options.strength = *row.strength;
      request.begin = pixels(shape)[0];
    }
    return sample_latents(pipeline, {request}, options);
  }

  static void expect_agreement(const std::vector<Case>& rows, Shape shape = {}) {
    const c10::NoGradGuard no_grad;
    const TemporaryFolder folder;
    Pipeline pipeline = tests::tiny_pipeline(3);
    save_pipeline(pipeline, folder / "model", DType::f32);
    NamedTensors tensors = shared_numbers(shape);
    json cases = json::array();
    for (const Case& row : rows) {
      const std::string name =
          fmt::format("{} {} {} steps {} cfg {} negative '{}' zeros {} strength {}", row.sampler,
                      row.spacing, row.prediction, row.steps, row.cfg, row.negative,
                      row.force_zeros, row.strength.value_or(0));
      tensors.emplace_back(name, ours(pipeline, row, shape));
      cases.push_back({{"name", name},
                       {"sampler", row.sampler},
                       {"spacing", row.spacing},
                       {"prediction", row.prediction},
                       {"steps", row.steps},
                       {"cfg", row.cfg},
                       {"negative", row.negative},
                       {"force_zeros", row.force_zeros},
                       {"strength", row.strength ? json(*row.strength) : json(nullptr)},
                       {"prompts", {kPrompt}}});
    }
    save_tensors(folder / "ours.safetensors", tensors);
    std::ofstream(folder / "cases.json") << cases;
    const auto referee = tests::run_referee(
        "sampling_referee.py",
        {"latents", folder / "model", folder / "ours.safetensors", folder / "cases.json"});
    EXPECT_EQ(referee.exit_code, 0) << referee.output;
  }
};

// Four samplers, three spacings, two predictions, 10 and 30 steps: 48 runs.
TEST_F(AgainstDiffusers, EverySamplerSpacingAndPredictionAgrees) {
  std::vector<Case> rows;
  for (const char* sampler : kSamplers) {
    for (const char* spacing : kSpacings) {
      for (const char* prediction : {"epsilon", "v_prediction"}) {
        for (const int steps : {10, kMostSteps}) {
          rows.push_back(
              {.sampler = sampler, .spacing = spacing, .prediction = prediction, .steps = steps});
        }
      }
    }
  }
  expect_agreement(rows);
}

TEST_F(AgainstDiffusers, GuidanceAndNegativePromptsAgree) {
  std::vector<Case> rows;
  for (const char* sampler : kSamplers) {
    rows.push_back({.sampler = sampler, .cfg = 1});
    rows.push_back({.sampler = sampler, .cfg = 7.5, .negative = "blurred"});
    rows.push_back({.sampler = sampler, .cfg = 7.5, .force_zeros = false});
  }
  expect_agreement(rows, kUpright);
}

TEST_F(AgainstDiffusers, ImageToImageAgrees) {
  std::vector<Case> rows;
  for (const char* sampler : kSamplers) {
    for (const double strength : {0.29, 0.7, 1.0}) {
      rows.push_back({.sampler = sampler, .steps = 20, .strength = strength});
    }
    rows.push_back({.sampler = sampler, .spacing = "trailing", .strength = 0.5});
  }
  expect_agreement(rows, kUpright);
}

// Every number of steps up to 100 and some larger ones, and whether it can be sampled at all.
TEST_F(AgainstDiffusers, TimestepsAreEqual) {
  std::vector<int> counts{125, 144, 150, 200, 250, 333, 499, 500, 501, 999, 1000};
  for (int i = 1; i <= 100; ++i) counts.push_back(i);
  json plans = json::array();
  SchedulerConfig scheduler;
  for (const char* sampler : kSamplers) {
    for (const char* spacing : kSpacings) {
      scheduler.timestep_spacing = spacing;
      for (const int steps : counts) {
        json times = nullptr;
        try {
          times = sampling_timesteps(scheduler, parse_sampler(sampler), steps);
        } catch (const Error&) {
        }
        plans.push_back({sampler, spacing, steps, times});
      }
    }
  }
  const TemporaryFolder folder;
  std::ofstream(folder / "plans.json") << plans;
  const auto referee =
      tests::run_referee("sampling_referee.py", {"timesteps", folder / "plans.json"});
  EXPECT_EQ(referee.exit_code, 0) << referee.output;
}

}  // namespace
}  // namespace sarsweep::trainer
