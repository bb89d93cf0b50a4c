#include "trainer/core/config/stage_config.h"

#include <gtest/gtest.h>

#include "schema/base/error.h"
#include "schema/config/fields.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

TEST(StageConfig, EmptyConfigHasTheDocumentedDefaults) {
  const StageConfig config = parse_stage_config(json::object());
  EXPECT_EQ(config.checkpoint_every.updates(100), 1000);
  EXPECT_EQ(config.samples.every.updates(100), 0);
  EXPECT_EQ(config.samples.steps, 30);
  EXPECT_EQ(config.exports.lora, "both");
}

TEST(StageConfig, IntervalsAreUpdatesOrEpochs) {
  EXPECT_EQ(parse_interval(250, "f").updates(33), 250);
  EXPECT_EQ(parse_interval("250", "f").updates(33), 250);
  EXPECT_EQ(parse_interval("2epochs", "f").updates(33), 66);
  EXPECT_EQ(parse_interval("0.5epochs", "f").updates(33), 17);
  EXPECT_EQ(parse_interval("0.001epochs", "f").updates(33), 1);
  EXPECT_EQ(parse_interval(nullptr, "f").updates(33), 0);
  for (const json& bad : {json(-1), json("two"), json("epochs"), json("3 epochs"), json("-1epochs"),
                          json("nan"), json::array()}) {
    EXPECT_THROW(parse_interval(bad, "f"), Error) << bad;
  }
}

TEST(StageConfig, WhatTheFieldTableOffersIsTaken) {
  for (const char* name : {"export.lora", "export.pipeline", "export.dtype", "samples.sampler"}) {
    for (const auto& choice : config::find_field(name)->choices) {
      EXPECT_NO_THROW(parse_stage_config(config::nest({{name, choice}}))) << name << " " << choice;
    }
  }
}

TEST(StageConfig, WrongValuesAreRefusedByFieldName) {
  const auto field_of = [](const json& nested) -> std::string {
    try {
      parse_stage_config(nested);
    } catch (const Error& error) {
      return error.field();
    }
    return {};
  };
  EXPECT_EQ(field_of({{"samples", {{"steps", "many"}}}}), "samples.steps");
  EXPECT_EQ(field_of({{"samples", {{"steps", 0}}}}), "samples.steps");
  EXPECT_EQ(field_of({{"samples", {{"prompts", "one"}}}}), "samples.prompts");
  EXPECT_EQ(field_of({{"export", {{"lora", "ours"}}}}), "export.lora");
  EXPECT_EQ(field_of({{"checkpoint", {{"every", "often"}}}}), "checkpoint.every");
}

}  // namespace
}  // namespace sarsweep::trainer
