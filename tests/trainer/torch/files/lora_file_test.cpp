#include "trainer/torch/files/lora_file.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "tests/support/referee.h"
#include "tests/trainer/torch/tiny_pipeline.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

using testing::HasSubstr;
using tests::TemporaryFolder;

// Adapters on every kind of layer, alpha != rank, and both factors far from zero.
Pipeline adapted_pipeline(const std::string& unet_targets) {
  Pipeline pipeline = tests::tiny_pipeline(3);
  attach_adapters(pipeline.unet, ComponentKind::unet, unet_targets, 4, 2, LoraInit::kaiming, 1);
  attach_adapters(pipeline.text_encoder, ComponentKind::text_encoder, "attn_mlp", 2, 6,
                  LoraInit::kaiming, 1);
  attach_adapters(pipeline.text_encoder_2, ComponentKind::text_encoder, "attn", 3, 1.5,
                  LoraInit::kaiming, 1);
  const c10::NoGradGuard no_grad;
  for (const auto& [name, layer] : lora_layers(pipeline)) {
    if (!layer->adapter) continue;
    const at::Tensor& up = layer->adapter->up;
    up.copy_(tests::normal_tensor(up.sizes().vec(), peft_prefix(name)) * 0.05);
  }
  return pipeline;
}

NamedTensors answers(const Pipeline& pipeline) {
  const c10::NoGradGuard no_grad;
  const Conditioning conditioning = encode_prompts(pipeline, {"a tank", "grass, an airport"});
  const at::Tensor sample = tests::normal_tensor({2, 4, 8, 8}, "sample");
  const at::Tensor timesteps = at::tensor({500, 3}, at::kLong);
  const at::Tensor time_ids =
      at::tensor({64.F, 64.F, 0.F, 0.F, 64.F, 64.F}).expand({2, 6}).contiguous();
  return {{"sample", sample},
          {"timesteps", timesteps},
          {"time_ids", time_ids},
          {"context", conditioning.context},
          {"pooled", conditioning.pooled},
          {"answer", pipeline.unet.forward(sample, timesteps, conditioning.context,
                                           conditioning.pooled, time_ids)}};
}

class LoraFile : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "open_clip's vocabulary is not in .venv";
  }
  std::string refusal(const NamedTensors& tensors) const {
    save_tensors(folder_ / "bad.safetensors", tensors);
    Pipeline pipeline = tests::tiny_pipeline(3);
    try {
      load_lora(folder_ / "bad.safetensors", pipeline);
    } catch (const Error& error) {
      for (const auto& [name, layer] : lora_layers(pipeline)) EXPECT_FALSE(layer->adapter);
      return error.what();
    }
    return {};
  }
  // `pipeline` is tests::tiny_pipeline(3) with adapters.
  void expect_diffusers_agrees(Pipeline& pipeline, LoraFormat format) const {
    save_lora(folder_ / "lora.safetensors", pipeline, format, DType::f32);
    expect_diffusers_agrees(pipeline);
  }
  void expect_diffusers_agrees(const Pipeline& pipeline) const {
    save_pipeline(tests::tiny_pipeline(3), folder_ / "model", DType::f32);
    save_tensors(folder_ / "ours.safetensors", answers(pipeline));
    const auto referee = tests::run_referee(
        "generation_referee.py",
        {"lora", folder_ / "model", folder_ / "ours.safetensors", folder_ / "lora.safetensors"});
    EXPECT_EQ(referee.exit_code, 0) << referee.output;
  }
  const TemporaryFolder folder_;
};

class BothFormats : public LoraFile, public testing::WithParamInterface<LoraFormat> {};

TEST_P(BothFormats, ChangesDiffusersPipelineAsOurs) {
  if (IsSkipped()) return;
  if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  Pipeline pipeline = adapted_pipeline("transformer_conv");
  expect_diffusers_agrees(pipeline, GetParam());
}

TEST_P(BothFormats, AtRank256WithHalfItsAlphaStillAgreesWithDiffusers) {
  if (IsSkipped()) return;
  if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  Pipeline pipeline = tests::tiny_pipeline(3);
  attach_adapters(pipeline.unet, ComponentKind::unet, "attn_conv", 256, 128, LoraInit::kaiming, 1);
  attach_adapters(pipeline.text_encoder, ComponentKind::text_encoder, "attn", 256, 128,
                  LoraInit::kaiming, 1);
  attach_adapters(pipeline.text_encoder_2, ComponentKind::text_encoder, "attn", 256, 128,
                  LoraInit::kaiming, 1);
  const c10::NoGradGuard no_grad;
  for (const auto& [name, layer] : lora_layers(pipeline)) {
    if (!layer->adapter) continue;
    const at::Tensor& up = layer->adapter->up;
    up.copy_(tests::normal_tensor(up.sizes().vec(), peft_prefix(name)) * 0.01);
  }
  expect_diffusers_agrees(pipeline, GetParam());
}

TEST_P(BothFormats, ComesBackAsSaved) {
  if (IsSkipped()) return;
  Pipeline saved = adapted_pipeline("transformer_conv");
  save_lora(folder_ / "a.safetensors", saved, GetParam(), DType::f32, {{"study", "x"}});
  Pipeline loaded = tests::tiny_pipeline(3);
  EXPECT_GT(load_lora(folder_ / "a.safetensors", loaded), 100u);
  const NamedTensors want = answers(saved);
  const NamedTensors have = answers(loaded);
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_TRUE(at::equal(want[i].second, have[i].second)) << want[i].first;
  }
  save_lora(folder_ / "b.safetensors", loaded, GetParam(), DType::f32, {{"study", "x"}});
  EXPECT_EQ(read_file(folder_ / "a.safetensors"), read_file(folder_ / "b.safetensors"));
  EXPECT_EQ(SafetensorsFile(folder_ / "a.safetensors").metadata().at("study"), "x");
  EXPECT_THROW(load_lora(folder_ / "a.safetensors", loaded), Error) << "adapters are there already";
}

TEST_P(BothFormats, KeepsAlphaExactInHalfPrecisionFiles) {
  if (IsSkipped()) return;
  Pipeline saved = tests::tiny_pipeline(3);
  attach_adapters(saved.unet, ComponentKind::unet, "attn", 4, 3.3, LoraInit::kaiming, 1);
  for (const DType dtype : {DType::f16, DType::bf16}) {
    save_lora(folder_ / "a.safetensors", saved, GetParam(), dtype);
    Pipeline loaded = tests::tiny_pipeline(3);
    load_lora(folder_ / "a.safetensors", loaded);
    const Layer& layer =
        loaded.unet.layer("mid_block.attentions.0.transformer_blocks.0.attn1.to_q");
    ASSERT_TRUE(layer.adapter);
    EXPECT_FLOAT_EQ(static_cast<float>(layer.adapter->alpha), 3.3F);
    EXPECT_EQ(layer.adapter->rank, 4);
    EXPECT_EQ(layer.adapter->down.scalar_type(), at::kFloat);
  }
}

INSTANTIATE_TEST_SUITE_P(Lora, BothFormats, testing::Values(LoraFormat::peft, LoraFormat::kohya),
                         [](const auto& row) {
                           return row.param == LoraFormat::peft ? "Peft" : "Kohya";
                         });

// The same factors under every name the layer has: one effect.
TEST_F(LoraFile, EverySpellingGivesTheSameWeights) {
  if (IsSkipped()) return;
  const std::string module = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0";
  const at::Tensor down = tests::normal_tensor({3, 64}, "a");
  const at::Tensor up = tests::normal_tensor({64, 3}, "b");
  for (const auto& [prefix, down_name, up_name] : std::vector<std::array<std::string, 3>>{
           {"unet." + module, ".lora_A.weight", ".lora_B.weight"},
           {"unet." + module, ".lora_A.default.weight", ".lora_B.default.weight"},
           {"unet." + module, ".lora.down.weight", ".lora.up.weight"},
           {"unet." + module, ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"},
           {module, ".lora_A.weight", ".lora_B.weight"},
           {"base_model.model." + module, ".lora_A.weight", ".lora_B.weight"},
           {"unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out",
            "_lora.down.weight", "_lora.up.weight"},
           {"lora_unet_middle_block_1_transformer_blocks_0_attn2_to_out_0", ".lora_down.weight",
            ".lora_up.weight"},
           {"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0",
            ".lora_down.weight", ".lora_up.weight"}}) {
    save_tensors(folder_ / "a.safetensors", {{prefix + down_name, down}, {prefix + up_name, up}});
    Pipeline pipeline = tests::tiny_pipeline(3);
    ASSERT_EQ(load_lora(folder_ / "a.safetensors", pipeline), 1u) << prefix << down_name;
    const std::optional<Adapter>& adapter = pipeline.unet.layer(module).adapter;
    ASSERT_TRUE(adapter) << prefix << down_name;
    EXPECT_TRUE(at::equal(adapter->down, down));
    EXPECT_TRUE(at::equal(adapter->up, up));
    EXPECT_EQ(adapter->scale(), 1.0);
  }
}

TEST_F(LoraFile, WithoutAlphaDiffusersAndWeAgree) {
  if (IsSkipped()) return;
  if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  Pipeline saved = adapted_pipeline("attn");
  save_lora(folder_ / "full.safetensors", saved, LoraFormat::peft, DType::f32);
  save_tensors(folder_ / "lora.safetensors", load_tensors(folder_ / "full.safetensors"));
  Pipeline loaded = tests::tiny_pipeline(3);
  load_lora(folder_ / "lora.safetensors", loaded);
  expect_diffusers_agrees(loaded);
}

TEST_F(LoraFile, WithoutAlphaTheEffectIsUnscaled) {
  const std::string layer = "unet.mid_block.attentions.0.proj_in";
  save_tensors(folder_ / "a.safetensors",
               {{layer + ".lora.down.weight", tests::normal_tensor({3, 64}, "a")},
                {layer + ".lora.up.weight", tests::normal_tensor({64, 3}, "b")}});
  Pipeline pipeline = tests::tiny_pipeline(3);
  EXPECT_EQ(load_lora(folder_ / "a.safetensors", pipeline), 1u);
  EXPECT_EQ(pipeline.unet.layer("mid_block.attentions.0.proj_in").adapter->scale(), 1.0);
}

TEST_F(LoraFile, RefusesFilesOfOtherModelsAndHalfPairs) {
  const at::Tensor down = tests::normal_tensor({3, 64}, "a");
  const at::Tensor up = tests::normal_tensor({64, 3}, "b");
  const std::string layer = "unet.mid_block.attentions.0.proj_in";
  EXPECT_THAT(refusal({{"unet.nowhere.lora_A.weight", down}}), HasSubstr("names no layer"));
  EXPECT_THAT(refusal({{layer + ".lora_A.weight", down}}), HasSubstr("has no up factor"));
  EXPECT_THAT(refusal({{layer + ".lora_A.weight", up}, {layer + ".lora_B.weight", up}}),
              HasSubstr("another model"));
  EXPECT_THAT(refusal({{layer + ".hada_w1_a", down}}), HasSubstr("no kind of adapter"));
  EXPECT_THAT(refusal({{layer + ".lora_A.weight", down}, {layer + ".lora_down.weight", down}}),
              HasSubstr("second of its kind"));
  EXPECT_THAT(refusal({}), HasSubstr("holds no adapter"));
}

TEST_F(LoraFile, SavingNeedsAnAdapter) {
  Pipeline pipeline = tests::tiny_pipeline(3);
  EXPECT_THROW(save_lora(folder_ / "a", pipeline, LoraFormat::peft, DType::f32), Error);
}

}  // namespace
}  // namespace sarsweep::trainer
