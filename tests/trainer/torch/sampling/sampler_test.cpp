#include "trainer/torch/sampling/sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "tests/support/referee.h"
#include "tests/trainer/torch/tiny_pipeline.h"
#include "trainer/core/sampling/sampling_plan.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

using tests::TemporaryFolder;

class Sampler : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "open_clip's vocabulary is not in .venv";
  }
  static SampleOptions options(const std::string& sampler, double cfg) {
    SampleOptions result;
    result.sampler = sampler;
    result.steps = 10;
    result.cfg = cfg;
    result.height = result.width = 64;
    return result;
  }
};

struct Case {
  std::string sampler;
  double cfg;
  std::string negative;
};

// Ten steps on the same noise: Euler and DDIM, with and without guidance, zeros or a negative
// prompt.
TEST_F(Sampler, EqualsDiffusersPipeline) {
  if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  const c10::NoGradGuard no_grad;
  const TemporaryFolder folder;
  const Pipeline pipeline = tests::tiny_pipeline(3);
  save_pipeline(pipeline, folder / "model", DType::f32);
  const std::vector<std::string> prompts{"a SAR image of a tank", "grass"};
  const Conditioning positive = encode_prompts(pipeline, prompts);
  const at::Tensor noise = at::cat({sample_noise(1, 0, 8, 8), sample_noise(1, 1, 8, 8)});
  NamedTensors ours{{"noise", noise}};
  nlohmann::json cases = nlohmann::json::array();
  for (const Case& row : {Case{"euler", 5, ""}, Case{"euler", 1, ""}, Case{"euler", 7.5, "blurred"},
                          Case{"ddim", 5, ""}, Case{"ddim", 1, ""}, Case{"ddim", 7.5, "blurred"}}) {
    const std::string name = row.sampler + std::to_string(cases.size());
    Conditioning negative{at::zeros_like(positive.context), at::zeros_like(positive.pooled)};
    if (!row.negative.empty()) negative = encode_prompts(pipeline, {row.negative, row.negative});
    ours.emplace_back(
        name, sample_latents(pipeline, positive, negative, noise, options(row.sampler, row.cfg)));
    cases.push_back({{"name", name},
                     {"sampler", row.sampler},
                     {"cfg", row.cfg},
                     {"steps", 10},
                     {"negative", row.negative},
                     {"prompts", prompts}});
  }
  save_tensors(folder / "ours.safetensors", ours);
  std::ofstream(folder / "cases.json") << cases;
  const auto referee = tests::run_referee(
      "generation_referee.py",
      {"latents", folder / "model", folder / "ours.safetensors", folder / "cases.json"});
  EXPECT_EQ(referee.exit_code, 0) << referee.output;
}

TEST_F(Sampler, BatchingDoesNotChangePictures) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  SampleOptions one = options("euler", 5);
  one.steps = 4;
  SampleOptions three = one;
  one.batch = 1;
  three.batch = 3;
  const std::vector<std::string> prompts{"a", "b", "c", "d"};
  const std::vector<std::int64_t> seeds(4, 5);
  const std::vector<std::int64_t> items{0, 1, 2, 3};
  const at::Tensor alone = sample_images(pipeline, prompts, seeds, items, one);
  const at::Tensor together = sample_images(pipeline, prompts, seeds, items, three);
  EXPECT_EQ(alone.sizes(), at::IntArrayRef({4, 3, 64, 64}));
  EXPECT_LT((alone - together).abs().max().item<float>(), 1e-4);
  EXPECT_TRUE(at::equal(alone, sample_images(pipeline, prompts, seeds, items, one)));
  EXPECT_GT((alone[0] - alone[1]).abs().max().item<float>(), 1e-2);
}

TEST_F(Sampler, AnEmptyNegativeMeansZerosOnlyWhereThePipelineSaysSo) {
  Pipeline pipeline = tests::tiny_pipeline(3);
  const SampleOptions guided = options("ddim", 5);
  pipeline.model_index["force_zeros_for_empty_prompt"] = true;
  const at::Tensor zeros = sample_images(pipeline, {"a"}, {1}, {0}, guided);
  pipeline.model_index["force_zeros_for_empty_prompt"] = false;
  const at::Tensor encoded = sample_images(pipeline, {"a"}, {1}, {0}, guided);
  EXPECT_GT((zeros - encoded).abs().max().item<float>(), 1e-4);
}

TEST_F(Sampler, StopsBetweenStepsWhenCancelled) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  int asked = 0;
  try {
    sample_images(pipeline, {"a"}, {1}, {0}, options("euler", 1), [&] { return ++asked == 3; });
    FAIL() << "sampling went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::busy);
  }
  EXPECT_EQ(asked, 3);
}

TEST_F(Sampler, RefusesSizesTheModelCannotHalve) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  SampleOptions odd = options("euler", 1);
  odd.width = 72;
  EXPECT_THROW(sample_images(pipeline, {"a"}, {1}, {0}, odd), Error);
  EXPECT_THROW(sample_images(pipeline, {"a"}, {1, 2}, {0}, options("euler", 1)), Error);
}

TEST(SampleNoise, DependsOnSeedAndItemAlone) {
  EXPECT_TRUE(at::equal(sample_noise(1, 2, 8, 8), sample_noise(1, 2, 8, 8)));
  EXPECT_FALSE(at::equal(sample_noise(1, 2, 8, 8), sample_noise(1, 3, 8, 8)));
  EXPECT_FALSE(at::equal(sample_noise(1, 2, 8, 8), sample_noise(2, 2, 8, 8)));
}

// If the network knew the noise, every sampler would arrive at the clean picture.
TEST(SamplingPlan, ReturnsToTheCleanPictureWithAPerfectNetwork) {
  const double clean = 0.7;
  const double eps = -1.3;
  for (const char* sampler : {"euler", "ddim"}) {
    for (const char* prediction : {"epsilon", "v_prediction"}) {
      SchedulerConfig scheduler;
      scheduler.prediction_type = prediction;
      const SamplingPlan plan = plan_sampling(scheduler, sampler, 50);
      ASSERT_EQ(plan.steps.size(), 50u);
      EXPECT_EQ(plan.steps.front().timestep, 981);
      EXPECT_EQ(plan.steps.back().timestep, 1);
      const bool euler = std::string(sampler) == "euler";
      // x of the first step: clean + sigma eps for Euler (initial_scale^2 = sigma^2 + 1), else the
      // variance-preserving mix at the signal level that Euler's first step implies.
      const SamplingPlan reference = plan_sampling(SchedulerConfig{}, "euler", 50);
      const double first_sigma = std::sqrt(std::pow(reference.initial_scale, 2) - 1);
      double x =
          euler ? clean + first_sigma * eps : (clean + first_sigma * eps) / reference.initial_scale;
      for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const SamplingStep& step = plan.steps[i];
        const double scale = reference.steps[i].input_scale;  // sqrt(alpha_bar)
        const double noise = std::sqrt(1 - scale * scale);
        const bool velocity = std::string(prediction) == "v_prediction";
        x = step.keep * x + step.add * (velocity ? scale * eps - noise * clean : eps);
      }
      // DDIM ends at timestep 0, where a little noise is left.
      EXPECT_NEAR(x, clean, euler ? 1e-6 : 0.05) << sampler << " " << prediction;
    }
  }
}

TEST(SamplingPlan, RefusesWhatItCannotHonour) {
  SchedulerConfig scheduler;
  EXPECT_THROW(plan_sampling(scheduler, "heun", 10), Error);
  EXPECT_THROW(plan_sampling(scheduler, "euler", 0), Error);
  EXPECT_THROW(plan_sampling(scheduler, "ddim", 1000), Error);
  scheduler.json = {{"clip_sample", true}};
  EXPECT_THROW(plan_sampling(scheduler, "ddim", 10), Error);
  EXPECT_NO_THROW(plan_sampling(scheduler, "euler", 10));
  scheduler.timestep_spacing = "trailing";
  EXPECT_THROW(plan_sampling(scheduler, "euler", 10), Error);
}

}  // namespace
}  // namespace sarsweep::trainer
