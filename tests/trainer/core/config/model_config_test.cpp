#include "trainer/core/config/model_config.h"

#include <gmock/gmock.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

template <typename Parse>
std::string refusal_of(const Parse& parse) {
  try {
    parse();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    return error.what();
  }
  return "accepted";
}

std::string unet_refusal(const char* key, const json& value) {
  json document = preset_configs("tiny").at("unet");
  document[key] = value;
  return refusal_of([&] { parse_unet_config(document); });
}

TEST(ModelConfig, ReadsWhatThePresetsWrite) {
  const json configs = preset_configs("sdxl");
  const UNetConfig unet = parse_unet_config(configs.at("unet"));
  EXPECT_THAT(unet.block_out_channels, ElementsAre(320, 640, 1280));
  EXPECT_THAT(unet.num_attention_heads, ElementsAre(5, 10, 20));
  EXPECT_THAT(unet.transformer_layers_per_block, ElementsAre(1, 2, 10));
  EXPECT_EQ(unet.cross_attention_dim, 2048);
  EXPECT_EQ(unet.projection_class_embeddings_input_dim, 2816);
  EXPECT_EQ(unet.sample_size, 128);
  EXPECT_EQ(unet.json, configs.at("unet"));
  const VaeConfig vae = parse_vae_config(configs.at("vae"));
  EXPECT_THAT(vae.block_out_channels, ElementsAre(128, 256, 512, 512));
  EXPECT_DOUBLE_EQ(vae.scaling_factor, 0.13025);
  EXPECT_EQ(parse_clip_text_config(configs.at("text_encoder"), false).projection_dim, 0);
  const ClipTextConfig text_2 = parse_clip_text_config(configs.at("text_encoder_2"), true);
  EXPECT_EQ(text_2.projection_dim, 1280);
  EXPECT_EQ(text_2.hidden_act, "gelu");
  EXPECT_EQ(parse_scheduler_config(configs.at("scheduler")).steps_offset, 1);
}

TEST(ModelConfig, TakesOneNumberForAllLevelsAndPrefersNumAttentionHeads) {
  json document = preset_configs("tiny").at("unet");
  document["attention_head_dim"] = 8;
  document["transformer_layers_per_block"] = 2;
  EXPECT_THAT(parse_unet_config(document).num_attention_heads, ElementsAre(8, 8, 8));
  EXPECT_THAT(parse_unet_config(document).transformer_layers_per_block, ElementsAre(2, 2, 2));
  document["num_attention_heads"] = {1, 2, 4};
  EXPECT_THAT(parse_unet_config(document).num_attention_heads, ElementsAre(1, 2, 4));
}

TEST(ModelConfig, RefusesWhatItCannotComputeAndNamesKeyAndValue) {
  EXPECT_THAT(unet_refusal("upcast_attention", true), HasSubstr("upcast_attention = true"));
  EXPECT_EQ(unet_refusal("upcast_attention", nullptr), "accepted");
  EXPECT_THAT(unet_refusal("use_linear_projection", false),
              HasSubstr("use_linear_projection = false"));
  EXPECT_THAT(unet_refusal("addition_embed_type", "text"), HasSubstr("\"text\" is not supported"));
  EXPECT_THAT(unet_refusal("down_block_types", {"DownBlock2D", "AttnDownBlock2D", "DownBlock2D"}),
              HasSubstr("\"AttnDownBlock2D\"; supported: DownBlock2D, CrossAttnDownBlock2D"));
  EXPECT_THAT(unet_refusal("block_out_channels", {16, 33, 64}), HasSubstr("33 is no multiple"));
  EXPECT_THAT(unet_refusal("block_out_channels", {16, 32}), HasSubstr("must name 2 blocks"));
  EXPECT_THAT(unet_refusal("layers_per_block", json::array({2, 2, 2})),
              HasSubstr("layers_per_block"));
  EXPECT_THAT(unet_refusal("cross_attention_dim", -5), HasSubstr("cross_attention_dim"));
}

TEST(ModelConfig, RefusesAnAbsentKeyWhoseDefaultItCannotCompute) {
  json document = preset_configs("tiny").at("unet");
  document.erase("addition_embed_type");
  EXPECT_THAT(refusal_of([&] { parse_unet_config(document); }),
              HasSubstr("addition_embed_type = null is not supported, only \"text_time\""));
}

TEST(ModelConfig, RefusesAutoencodersWithShiftOrWithoutQuantConvolutions) {
  json document = preset_configs("tiny").at("vae");
  document["shift_factor"] = 0.06;
  EXPECT_THAT(refusal_of([&] { parse_vae_config(document); }), HasSubstr("shift_factor"));
  document["shift_factor"] = nullptr;
  document["use_quant_conv"] = false;
  EXPECT_THAT(refusal_of([&] { parse_vae_config(document); }), HasSubstr("use_quant_conv"));
}

TEST(ModelConfig, PoolsAtTheTrueEndOfTextWhateverTheFileSays) {
  json document = preset_configs("tiny").at("text_encoder");
  document["eos_token_id"] = 2;
  EXPECT_EQ(parse_clip_text_config(document, false).eos_token_id, 49407);
  EXPECT_FALSE(parse_clip_text_config(document, false).pools_greatest_id);
  document["vocab_size"] = 1000;
  EXPECT_EQ(parse_clip_text_config(document, false).eos_token_id, 2);
  document["hidden_act"] = "relu";
  EXPECT_THAT(refusal_of([&] { parse_clip_text_config(document, false); }), HasSubstr("'relu'"));
}

TEST(ModelConfig, NamesThePresetsWhenAskedForAnother) {
  EXPECT_THAT(refusal_of([] { preset_configs("huge"); }), HasSubstr("use tiny, small or sdxl"));
}

}  // namespace
}  // namespace sarsweep::trainer
