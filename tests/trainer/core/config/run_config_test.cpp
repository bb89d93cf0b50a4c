#include "trainer/core/config/run_config.h"

#include <gtest/gtest.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

TEST(RunConfig, AnEmptyConfigHasTheDefaults) {
  const RunConfig config = parse_run_config(json::object());
  EXPECT_EQ(config.job, "diffusion");
  EXPECT_EQ(config.unet.mode, TrainMode::full);
  EXPECT_DOUBLE_EQ(config.unet.lr, 5e-5);
  EXPECT_EQ(config.text_encoder_1.mode, TrainMode::frozen);
  EXPECT_EQ(config.train.global_batch, 16);
  EXPECT_FALSE(config.train.micro_batch);
  EXPECT_DOUBLE_EQ(config.train.noise_offset, 0.035);
  EXPECT_EQ(config.train.epochs, 8);
}

TEST(RunConfig, AlphaIsHalfTheRankUnlessGiven) {
  EXPECT_DOUBLE_EQ(parse_run_config({{"unet", {{"mode", "lora"}, {"rank", 64}}}}).unet.alpha, 32);
  const json given = {{"unet", {{"mode", "lora"}, {"rank", 64}, {"alpha", 8.0}}}};
  EXPECT_DOUBLE_EQ(parse_run_config(given).unet.alpha, 8);
}

TEST(RunConfig, BothTextEncodersFollowTheirCommonName) {
  const RunConfig config = parse_run_config({{"text_encoders", {{"mode", "lora"}, {"rank", 4}}}});
  EXPECT_EQ(config.text_encoder_1.mode, TrainMode::lora);
  EXPECT_EQ(config.text_encoder_2.rank, 4);
}

TEST(RunConfig, AnUnknownFieldIsNamedWithAProposal) {
  try {
    parse_run_config({{"unet", {{"rnak", 4}}}});
    FAIL() << "a field that does not exist was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.field(), "unet.rnak");
    EXPECT_NE(std::string(error.what()).find("unet.rank"), std::string::npos) << error.what();
  }
}

TEST(RunConfig, WhatThisVersionCannotHonourIsRefused) {
  EXPECT_THROW(parse_run_config({{"unet", {{"mode", "lora"}, {"dropout", 0.1}}}}), Error);
  EXPECT_THROW(parse_run_config({{"compat", {{"sched_unit", "diffusers_sdxl_bug"}}}}), Error);
}

TEST(RunConfig, AClipJobTrainsByItsOwnFields) {
  const RunConfig config = parse_run_config(
      {{"job", "clip"},
       {"clip", {{"batch", 10}, {"epochs", 3}, {"towers", "text"}, {"precision", "bf16"}}},
       {"train", {{"tail", "flush"}, {"global_batch", 4}, {"steps", 7}}}});
  EXPECT_DOUBLE_EQ(config.clip.lr, 1e-5);
  EXPECT_FALSE(config.clip.image);
  EXPECT_TRUE(config.clip.text);
  EXPECT_TRUE(config.train.bf16);
  EXPECT_EQ(config.train.global_batch, 10);
  EXPECT_EQ(total_updates(config.train, 25), 6);  // what fills no batch is left out
}

TEST(RunConfig, WarmupInEpochsBecomesUpdates) {
  const RunConfig config =
      parse_run_config({{"train", {{"warmup", "2epochs"}, {"global_batch", 4}}}});
  EXPECT_EQ(lr_schedule_of(config.train, 100, 10).warmup, 5);
}

TEST(RunConfig, EpochsBecomeUpdatesByTheTail) {
  const RunConfig config = parse_run_config({{"train", {{"epochs", 2}, {"global_batch", 4}}}});
  EXPECT_EQ(total_updates(config.train, 10), 6);
  const RunConfig fixed = parse_run_config({{"train", {{"steps", 17}}}});
  EXPECT_EQ(total_updates(fixed.train, 10), 17);
}

}  // namespace
}  // namespace sarsweep::trainer
