#include "trainer/torch/sampling/sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "tests/support/referee.h"
#include "tests/trainer/torch/tiny_pipeline.h"
#include "trainer/torch/model/base_layer.h"
#include "trainer/torch/sampling/tiled_autoencoder.h"

namespace sarsweep::trainer {
namespace {

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

TEST_F(Sampler, ABatchDoesNotChangeItsPictures) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  const std::vector<PictureRequest> requests{
      {"a", 5, 0, {}}, {"b", 5, 1, {}}, {"c", 5, 2, {}}, {"d", 6, 0, {}}};
  for (const char* sampler : {"euler", "ddim", "dpmpp_2m", "ddpm"}) {
    SampleOptions three = options(sampler, 5);
    three.steps = 4;
    three.batch = 3;
    const at::Tensor together = sample_images(pipeline, requests, three);
    ASSERT_EQ(together.sizes(), at::IntArrayRef({4, 3, 64, 64}));
    for (std::int64_t i = 0; i < 4; ++i) {
      SampleOptions one = three;
      one.batch = 1;
      const at::Tensor alone =
          sample_images(pipeline, {requests[static_cast<std::size_t>(i)]}, one);
      EXPECT_TRUE(at::equal(alone[0], together[i])) << sampler << " " << i;
    }
    EXPECT_GT((together[0] - together[1]).abs().max().item<float>(), 1e-2) << sampler;
  }
}

TEST_F(Sampler, PicturesMadeTogetherOnACpuDifferInTheLastDigits) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  std::vector<PictureRequest> requests;
  for (std::int64_t i = 0; i < 7; ++i) requests.push_back({i % 2 == 0 ? "a" : "b c", 5, i, {}});
  SampleOptions sampling = options("ddim", 5);
  sampling.steps = 4;
  const at::Tensor alone = sample_images(pipeline, requests, sampling);
  sampling.cpu_batch = 3;
  const at::Tensor together = sample_images(pipeline, requests, sampling);
  EXPECT_LT((together - alone).abs().max().item<float>(), 1e-4);
  EXPECT_TRUE(at::equal(together, sample_images(pipeline, requests, sampling)));
}

TEST_F(Sampler, WeightsHeldNarrowMakeTheSamePictures) {
  Pipeline pipeline = tests::tiny_pipeline(3);
  const c10::NoGradGuard no_grad;
  for (Component* part : std::initializer_list<Component*>{&pipeline.unet, &pipeline.text_encoder,
                                                           &pipeline.text_encoder_2}) {
    for (const auto& [name, weight] : part->parameters()) weight.copy_(weight.to(at::kHalf));
  }
  SampleOptions sampling = options("euler", 5);
  sampling.steps = 2;
  const at::Tensor before = sample_images(pipeline, {{"a", 1, 0, {}}}, sampling);
  hold_narrow(pipeline.unet);
  hold_narrow(pipeline.text_encoder);
  hold_narrow(pipeline.text_encoder_2);
  ASSERT_EQ(pipeline.unet.parameter("conv_in.weight").scalar_type(), at::kHalf);
  EXPECT_TRUE(at::equal(before, sample_images(pipeline, {{"a", 1, 0, {}}}, sampling)));
}

TEST_F(Sampler, DdpmDrawsAnewInEveryStepOfEverySeed) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  const at::Tensor first = sample_step_noise(1, 2, 3, 8, 8);
  EXPECT_TRUE(at::equal(first, sample_step_noise(1, 2, 3, 8, 8)));
  EXPECT_FALSE(at::equal(first, sample_step_noise(2, 2, 3, 8, 8)));
  EXPECT_FALSE(at::equal(first, sample_step_noise(1, 3, 3, 8, 8)));
  EXPECT_FALSE(at::equal(first, sample_step_noise(1, 2, 4, 8, 8)));
  const SampleOptions ddpm = options("ddpm", 1);
  const at::Tensor picture = sample_latents(pipeline, {{"a", 1, 0, {}}}, ddpm);
  EXPECT_TRUE(at::equal(picture, sample_latents(pipeline, {{"a", 1, 0, {}}}, ddpm)));
  EXPECT_FALSE(at::equal(picture, sample_latents(pipeline, {{"a", 2, 0, {}}}, ddpm)));
}

TEST_F(Sampler, LowStrengthStaysNearThePictureItBeginsFrom) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  const c10::NoGradGuard no_grad;
  const at::Tensor begin = tests::normal_tensor({3, 64, 64}, "begin").mul(0.3).clamp(-1, 1);
  const Moments moments = pipeline.vae.encode(begin.unsqueeze(0));
  const at::Tensor spread = (moments.log_variance * 0.5).exp() * sample_posterior_noise(1, 0, 8, 8);
  const at::Tensor encoded = (moments.mean + spread) * pipeline.vae.config().scaling_factor;
  const auto distance = [&](double strength) {
    SampleOptions sampling = options("ddim", 1);
    sampling.steps = 20;
    sampling.strength = strength;
    const at::Tensor made = sample_latents(pipeline, {{"a", 1, 0, begin}}, sampling);
    return (made - encoded).abs().mean().item<float>();
  };
  EXPECT_LT(distance(0.05), 0.1 * distance(1.0));
}

TEST_F(Sampler, TilesArePartOfWhatIsAskedFor) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  SampleOptions sampling = options("ddim", 1);
  sampling.steps = 1;
  sampling.height = 160;
  const std::vector<PictureRequest> request{{"a", 1, 0, {}}};
  const at::Tensor whole = sample_images(pipeline, request, sampling);
  sampling.tiles = Tiles::never;
  EXPECT_TRUE(at::equal(whole, sample_images(pipeline, request, sampling)));
  sampling.tiles = Tiles::always;
  const at::Tensor tiled = sample_images(pipeline, request, sampling);
  EXPECT_EQ(tiled.sizes(), whole.sizes());
  EXPECT_GT((whole - tiled).abs().max().item<float>(), 1e-3);
}

// The tiny preset with few channels and large tiles, to make large pictures of.
Pipeline thin_pipeline() {
  nlohmann::json configs = preset_configs("tiny");
  configs["unet"].update({{"block_out_channels", {8, 16, 16}},
                          {"attention_head_dim", {1, 1, 1}},
                          {"transformer_layers_per_block", {1, 1, 1}},
                          {"layers_per_block", 1},
                          {"norm_num_groups", 4}});
  configs["vae"].update({{"block_out_channels", {8, 8, 8, 8}},
                         {"layers_per_block", 1},
                         {"norm_num_groups", 4},
                         {"sample_size", 512}});
  return init_pipeline(configs, 3, tests::open_clip_vocabulary().value());
}

TEST_F(Sampler, APictureOf2048GoesInTilesByItself) {
  const Pipeline pipeline = thin_pipeline();
  SampleOptions sampling = options("ddim", 1);
  sampling.steps = 1;
  sampling.height = sampling.width = 2048;
  const std::vector<PictureRequest> request{{"a", 1, 0, {}}};
  const at::Tensor latents = sample_latents(pipeline, request, sampling);
  const at::Tensor automatic = sample_images(pipeline, request, sampling);
  const c10::NoGradGuard no_grad;
  const at::Tensor unscaled = latents / pipeline.vae.config().scaling_factor;
  EXPECT_TRUE(at::equal(automatic, decode_tiled(pipeline.vae, unscaled).clamp(-1, 1)));
}

TEST_F(Sampler, AnEmptyNegativeMeansZerosOnlyWhereThePipelineSaysSo) {
  Pipeline pipeline = tests::tiny_pipeline(3);
  const SampleOptions guided = options("ddim", 5);
  pipeline.model_index["force_zeros_for_empty_prompt"] = true;
  const at::Tensor zeros = sample_images(pipeline, {{"a", 1, 0, {}}}, guided);
  pipeline.model_index["force_zeros_for_empty_prompt"] = false;
  const at::Tensor encoded = sample_images(pipeline, {{"a", 1, 0, {}}}, guided);
  EXPECT_GT((zeros - encoded).abs().max().item<float>(), 1e-4);
}

TEST_F(Sampler, StopsBetweenStepsWhenCancelled) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  int asked = 0;
  try {
    sample_images(pipeline, {{"a", 1, 0, {}}}, options("euler", 1), [&] { return ++asked == 3; });
    FAIL() << "sampling went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::busy);
  }
  EXPECT_EQ(asked, 3);
}

TEST_F(Sampler, RefusesWhatTheModelCannotDo) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  const auto refusal = [&](const SampleOptions& sampling,
                           const std::vector<PictureRequest>& requests) -> std::string {
    try {
      sample_images(pipeline, requests, sampling);
    } catch (const Error& error) {
      return error.field();
    }
    return "nothing";
  };
  const SampleOptions good = options("euler", 1);
  const std::vector<PictureRequest> request{{"a", 1, 0, {}}};
  SampleOptions bad = good;
  bad.width = 72;
  EXPECT_EQ(refusal(bad, request), "size");
  bad = good;
  bad.batch = 0;
  EXPECT_EQ(refusal(bad, request), "batch");
  bad = good;
  bad.cfg = std::nan("");
  EXPECT_EQ(refusal(bad, request), "cfg");
  bad = good;
  bad.strength = 0;
  EXPECT_EQ(refusal(bad, {{"a", 1, 0, at::zeros({3, 64, 64})}}), "strength");
  EXPECT_EQ(refusal(good, {}), "prompts");
  EXPECT_EQ(refusal(good, {{"a", 1, 0, at::zeros({3, 64, 32})}}), "begin");
  EXPECT_EQ(refusal(good, {request[0], {"a", 1, 1, at::zeros({3, 64, 64})}}), "begin");
}

TEST(SampleNoise, DependsOnSeedAndItemAlone) {
  EXPECT_TRUE(at::equal(sample_noise(1, 2, 8, 8), sample_noise(1, 2, 8, 8)));
  EXPECT_FALSE(at::equal(sample_noise(1, 2, 8, 8), sample_noise(1, 3, 8, 8)));
  EXPECT_FALSE(at::equal(sample_noise(1, 2, 8, 8), sample_noise(2, 2, 8, 8)));
}

}  // namespace
}  // namespace sarsweep::trainer
