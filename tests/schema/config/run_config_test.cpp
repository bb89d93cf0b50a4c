#include <gtest/gtest.h>

#include "schema/base/error.h"
#include "schema/config/fields.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;

json valid_config() {
  return with_defaults({{"model.path", "models/tiny"}, {"data.path", "data"}});
}

std::string refusal(const json& flat) {
  try {
    require_valid(flat);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    return error.what();
  }
  return {};
}

TEST(RunConfig, NestAndFlattenUndoEachOther) {
  const json flat = {{"job", "diffusion"},
                     {"unet.lr", 1e-5},
                     {"prompt.replace", {{"A view. of", "A <SAR> of"}}},
                     {"data.stretch", {{"lo", 0.0}, {"hi", 1.0}}},
                     {"model.path", {{"run", "a/b"}, {"checkpoint", "last"}}}};
  EXPECT_EQ(flatten(nest(flat)), flat);
  EXPECT_EQ(nest(flat)["unet"]["lr"], 1e-5);
  const json complete = valid_config();
  EXPECT_EQ(flatten(nest(complete)), complete);
}

TEST(RunConfig, FlattenSpreadsTextEncoders) {
  const json flat = flatten({{"text_encoders", {{"rank", 4}}}});
  EXPECT_EQ(flat, json({{"text_encoder_1.rank", 4}, {"text_encoder_2.rank", 4}}));
}

TEST(RunConfig, DefaultsLeaveNothingOut) {
  const json complete = valid_config();
  for (const Field& field : fields()) EXPECT_TRUE(complete.contains(field.name)) << field.name;
  EXPECT_EQ(complete["train.epochs"], 8);
  EXPECT_TRUE(complete["train.steps"].is_null());
  EXPECT_EQ(with_defaults(complete), complete);
}

TEST(RunConfig, AlphaFollowsTheRank) {
  const json complete = with_defaults({{"unet.rank", 64}, {"text_encoder_1.alpha", 3.0}});
  EXPECT_EQ(complete["unet.alpha"], 32.0);
  EXPECT_EQ(complete["text_encoder_1.alpha"], 3.0);
  EXPECT_EQ(complete["text_encoder_2.alpha"], 4.0);
}

TEST(RunConfig, StepsReplaceTheDefaultEpochs) {
  const json complete = with_defaults({{"train.steps", 10}});
  EXPECT_TRUE(complete["train.epochs"].is_null());
  EXPECT_EQ(complete["train.steps"], 10);
}

TEST(RunConfig, AClipJobHasEpochsAndWholeNumbersByDefault) {
  const json config = with_defaults({{"job", "clip"}, {"model.path", "m"}});
  EXPECT_EQ(config["clip.epochs"], 8);
  EXPECT_EQ(config["export.dtype"], "fp32");
  EXPECT_EQ(refusal(config), "");
  EXPECT_TRUE(with_defaults({{"job", "clip"}, {"clip.steps", 3}})["clip.epochs"].is_null());
  EXPECT_EQ(rival_of("clip.steps"), "clip.epochs");
  EXPECT_EQ(rival_of("clip.batch"), "");
}

TEST(RunConfig, AVaeJobTrainsTheWholeVaeByDefault) {
  json config = with_defaults({{"job", "vae"}, {"model.path", "m"}});
  EXPECT_EQ(config["vae.mode"], "full");
  EXPECT_EQ(refusal(config), "");
  const json active = active_only(config);
  EXPECT_FALSE(active.contains("unet.lr"));
  EXPECT_FALSE(active.contains("train.noise_offset"));
  EXPECT_TRUE(active.contains("vae.kl_weight"));
}

TEST(RunConfig, InactiveKeysAreDropped) {
  json config = valid_config();
  EXPECT_FALSE(active_only(config).contains("unet.rank"));
  EXPECT_FALSE(active_only(config).contains("text_encoder_1.lr"));
  EXPECT_TRUE(active_only(config).contains("unet.lr"));
  config["unet.mode"] = "lora";
  EXPECT_TRUE(active_only(config).contains("unet.rank"));
}

TEST(RunConfig, ACompleteConfigIsValid) { EXPECT_EQ(refusal(valid_config()), ""); }

TEST(RunConfig, TheFirstProblemNamesFieldValueAndCure) {
  const auto changed = [](const char* name, const json& value) {
    json config = valid_config();
    config[name] = value;
    return refusal(config);
  };
  EXPECT_EQ(changed("unet.rnak", 4), "unet.rnak is not a field; did you mean 'unet.rank'?");
  EXPECT_EQ(changed("unet.lr", "x"),
            "unet.lr must be a number (got the text 'x'); for example 5e-5");
  EXPECT_EQ(
      changed("data.stretch_scope", "scene"),
      "data.stretch_scope 'scene' is not supported by this version; it honours image, dataset; "
      "write image");
  EXPECT_EQ(changed("train.steps", 5),
            "train.epochs and train.steps are both given; keep one of them");
  EXPECT_EQ(changed("train.micro_batch", 5),
            "global_batch 16 is not divisible by micro_batch 5 x gpus 1; nearest: 15, 20");
  EXPECT_EQ(
      changed("unet.mode", "frozen"),
      "nothing is trained: unet, text encoders and vae are all frozen; set one mode to full or "
      "lora, or train.steps: 0 to evaluate only");
  EXPECT_EQ(changed("vae.mode", "full"),
            "vae.mode full needs job: vae; write job: vae, or vae.mode: frozen");
  EXPECT_EQ(changed("model.path", json()),
            "model.path is missing; give a pipeline folder, or {run: NAME} for a parent run");
  EXPECT_EQ(changed("data.resolution", 100),
            "data.resolution 100 is not a multiple of 8; nearest: 96, 104");
  EXPECT_EQ(changed("train.betas", json::array({0.9, 1.0})),
            "train.betas must lie below 1 (got [0.9,1.0])");
}

}  // namespace
}  // namespace sarsweep::config
