#include "trainer/core/config/clip_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using testing::HasSubstr;

template <typename Act>
std::string refusal(const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    return error.what();
  }
  return "nothing";
}

TEST(ClipConfig, AbsentKeysAreTransformersDefaults) {
  const ClipConfig config = parse_clip_config({{"model_type", "clip"}}, nullptr);
  EXPECT_EQ(config.text.hidden_size, 512);
  EXPECT_EQ(config.text.num_attention_heads, 8);
  EXPECT_EQ(config.text.projection_dim, 512);
  EXPECT_EQ(config.vision.hidden_size, 768);
  EXPECT_EQ(config.vision.patch_size, 32);
  EXPECT_EQ(config.vision.patches(), 49);
  EXPECT_EQ(config.vision.hidden_act, "quick_gelu");
  EXPECT_EQ(config.normalisation, ClipNormalisation());
}

TEST(ClipConfig, TheOlderSpellingOfAPartWins) {
  const ClipConfig config =
      parse_clip_config({{"text_config", {{"hidden_size", 64}, {"num_attention_heads", 2}}},
                         {"text_config_dict", {{"hidden_size", 128}}},
                         {"vision_config_dict", nullptr}},
                        nullptr);
  EXPECT_EQ(config.text.hidden_size, 128);
  EXPECT_EQ(config.text.num_attention_heads, 2);
}

TEST(ClipConfig, ItsDocumentsReadBackTheSame) {
  for (const char* preset : {"clip-tiny", "clip-small"}) {
    ClipConfig config = clip_preset(preset);
    config.normalisation.mean = {0.5, 0.25, 0.125};
    const json document = clip_config_document(config);
    const ClipConfig again = parse_clip_config(document, clip_preprocessor_document(config));
    EXPECT_EQ(clip_config_document(again), document) << preset;
    EXPECT_EQ(again.normalisation, config.normalisation) << preset;
  }
}

TEST(ClipConfig, WhatIsNotComputedIsRefusedByName) {
  const auto of_config = [](const json& config) {
    return refusal([&] { parse_clip_config(config, nullptr); });
  };
  EXPECT_THAT(of_config({{"model_type", "siglip"}}), HasSubstr("model_type = \"siglip\""));
  EXPECT_THAT(of_config({{"vision_config", {{"hidden_act", "relu"}}}}), HasSubstr("'relu'"));
  EXPECT_THAT(of_config({{"vision_config", {{"hidden_size", 770}}}}), HasSubstr("770"));
  EXPECT_THAT(of_config({{"vision_config", {{"image_size", 16}}}}), HasSubstr("image_size 16"));
  EXPECT_THAT(of_config({{"vision_config", {{"num_channels", 1}}}}), HasSubstr("num_channels"));
  EXPECT_THAT(of_config({{"text_config", 7}}), HasSubstr("text_config"));
  const auto of_preprocessor = [](const json& preprocessor) {
    return refusal([&] { parse_clip_config(json::object(), preprocessor); });
  };
  EXPECT_THAT(of_preprocessor({{"resample", 2}}), HasSubstr("resample = 2"));
  EXPECT_THAT(of_preprocessor({{"size", {{"shortest_edge", 256}}}}), HasSubstr("size is"));
  EXPECT_THAT(of_preprocessor({{"image_mean", {1, 2}}}), HasSubstr("image_mean"));
  EXPECT_EQ(of_preprocessor({{"size", 224}, {"crop_size", {{"height", 224}, {"width", 224}}}}),
            "nothing");
  EXPECT_THAT(refusal([] { clip_preset("clip-huge"); }), HasSubstr("clip-huge"));
}

json open_clip_document() {
  return {{"model_cfg",
           {{"embed_dim", 96},
            {"quick_gelu", true},
            {"vision_cfg",
             {{"image_size", 64},
              {"layers", 3},
              {"width", 128},
              {"head_width", 32},
              {"patch_size", 8}}},
            {"text_cfg", {{"width", 64}, {"heads", 2}, {"layers", 2}, {"vocab_size", 1000}}}}},
          {"preprocess_cfg", {{"mean", {0.5, 0.5, 0.5}}, {"std", {0.5, 0.5, 0.5}}, {"size", 64}}}};
}

TEST(OpenClipConfig, SaysTheSameInItsOwnWords) {
  const ClipConfig config = parse_open_clip_config(open_clip_document());
  EXPECT_EQ(config.vision.num_attention_heads, 4);
  EXPECT_EQ(config.vision.intermediate_size, 512);
  EXPECT_EQ(config.vision.hidden_act, "quick_gelu");
  EXPECT_EQ(config.vision.projection_dim, 96);
  EXPECT_EQ(config.text.hidden_act, "quick_gelu");
  EXPECT_EQ(config.text.eos_token_id, 999);
  EXPECT_EQ(config.text.max_position_embeddings, 77);
  EXPECT_EQ(config.normalisation.mean[1], 0.5);
  const ClipConfig bare = parse_open_clip_config(open_clip_document()["model_cfg"]);
  EXPECT_EQ(bare.normalisation, ClipNormalisation());
}

TEST(OpenClipConfig, OtherTowersAreRefusedByName) {
  const auto refused = [](const std::string& pointer, const json& value) {
    json document = open_clip_document();
    document[json::json_pointer(pointer)] = value;
    return refusal([&] { parse_open_clip_config(document); });
  };
  EXPECT_THAT(refused("/model_cfg/vision_cfg/timm_model_name", "vit"),
              HasSubstr("timm_model_name"));
  EXPECT_THAT(refused("/model_cfg/vision_cfg/layers", json({3, 4, 6, 3})), HasSubstr("layers"));
  EXPECT_THAT(refused("/model_cfg/vision_cfg/pool_type", "avg"), HasSubstr("pool_type"));
  EXPECT_THAT(refused("/model_cfg/text_cfg/hf_model_name", "bert"), HasSubstr("hf_model_name"));
  EXPECT_THAT(refused("/model_cfg/text_cfg/no_causal_mask", true), HasSubstr("no_causal_mask"));
  EXPECT_THAT(refused("/model_cfg/init_logit_bias", -10), HasSubstr("init_logit_bias"));
  EXPECT_THAT(refused("/preprocess_cfg/resize_mode", "squash"), HasSubstr("resize_mode"));
  EXPECT_THAT(refused("/preprocess_cfg/size", 96), HasSubstr("size is 96"));
}

TEST(OpenClipConfig, FollowsFromTheShapesAlone) {
  const std::map<std::string, std::vector<std::int64_t>> shapes = {
      {"visual.conv1.weight", {768, 3, 32, 32}},
      {"visual.positional_embedding", {50, 768}},
      {"visual.transformer.resblocks.0.ln_1.weight", {768}},
      {"visual.transformer.resblocks.1.ln_1.weight", {768}},
      {"visual.transformer.resblocks.0.mlp.c_fc.weight", {3072, 768}},
      {"token_embedding.weight", {49408, 512}},
      {"positional_embedding", {77, 512}},
      {"transformer.resblocks.0.ln_1.weight", {512}},
      {"transformer.resblocks.0.mlp.c_fc.weight", {2048, 512}},
      {"text_projection", {512, 256}}};
  const auto shape_of = [&](const std::string& name) {
    const auto found = shapes.find(name);
    return found == shapes.end() ? std::nullopt : std::optional(found->second);
  };
  const ClipConfig config = clip_config_of_shapes(shape_of);
  EXPECT_EQ(config.vision.image_size, 224);
  EXPECT_EQ(config.vision.num_hidden_layers, 2);
  EXPECT_EQ(config.vision.num_attention_heads, 12);
  EXPECT_EQ(config.vision.hidden_act, "gelu");
  EXPECT_EQ(config.text.num_hidden_layers, 1);
  EXPECT_EQ(config.text.num_attention_heads, 8);
  EXPECT_EQ(config.text.projection_dim, 256);
  const auto without = [&](const std::string& name) {
    return name == "visual.positional_embedding" ? std::nullopt : shape_of(name);
  };
  EXPECT_THAT(refusal([&] { clip_config_of_shapes(without); }),
              HasSubstr("visual.positional_embedding is missing"));
}

}  // namespace
}  // namespace sarsweep::trainer
