// Whatever is wrong with one field of a config, the trainer says so in one sentence that names it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/base/error.h"
#include "tests/support/illegal_values.h"
#include "trainer/core/config/run_config.h"
#include "trainer/core/config/stage_config.h"
#include "trainer/core/data/dataset.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// Every reader of the config, in the order of a run.
void read_config(const json& nested) {
  parse_stage_config(nested);
  parse_run_config(nested);
  data_options(nested);
}

TEST(IllegalFields, EachValueOfEachFieldIsRefusedInOneSentenceThatNamesTheField) {
  int tried = 0;
  for (const config::Field& field : config::fields()) {
    for (const json& value : tests::illegal_values(field)) {
      ++tried;
      const std::string name(field.name);
      SCOPED_TRACE(name + " = " + value.dump());
      try {
        read_config(tests::config_with(field, value));
        ADD_FAILURE() << "accepted";
      } catch (const Error& error) {
        const std::string sentence = error.what();
        EXPECT_EQ(error.code(), ErrorCode::invalid) << sentence;
        EXPECT_EQ(error.field(), name) << sentence;
        EXPECT_NE(sentence.find(name), std::string::npos) << sentence;
        EXPECT_EQ(sentence.find('\n'), std::string::npos) << sentence;
        EXPECT_EQ(sentence.find("json.exception"), std::string::npos) << sentence;
        EXPECT_LT(sentence.size(), 400U) << sentence;
      }
    }
  }
  EXPECT_GT(tried, 400);
}

TEST(IllegalFields, WhatIsLegalAloneAndNotTogetherIsRefused) {
  const auto refused = [](const char* group, const json& values) {
    json config = tests::least_config();
    config[group].update(values);
    try {
      read_config(config);
    } catch (const Error& error) {
      return error.field();
    }
    return std::string();
  };
  EXPECT_EQ(refused("data", {{"resolution", 60}}), "data.resolution");
  EXPECT_EQ(refused("data", {{"flip", "azimuth"}}), "data.range_axis");
  EXPECT_EQ(refused("train", {{"betas", {0.9, 1.0}}}), "train.betas");
  EXPECT_EQ(refused("train", {{"steps", 3}, {"epochs", 3}}), "train.epochs");
  EXPECT_EQ(refused("unet", {{"mode", "frozen"}}), "unet.mode");
  EXPECT_EQ(refused("prompt", {{"replace", {{"", "x"}}}}), "prompt.replace");
}

}  // namespace
}  // namespace sarsweep::trainer
