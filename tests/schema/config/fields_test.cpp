#include "schema/config/fields.h"

#include <gtest/gtest.h>

#include <set>

#include "schema/config/condition.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;

const Field& field(const char* name) {
  const Field* found = find_field(name);
  if (found == nullptr) throw std::out_of_range(name);
  return *found;
}

std::string fault(const char* name, const json& value) {
  return check_value(field(name), value).value_or("");
}

TEST(Fields, EveryRowIsWhole) {
  std::set<std::string_view> names;
  for (const Field& row : fields()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " twice";
    EXPECT_EQ(find_field(row.name), &row);
    EXPECT_FALSE(row.help.empty()) << row.name;
    EXPECT_FALSE(row.help.ends_with('.')) << row.name;
    EXPECT_TRUE(!row.default_value.is_null() || !row.default_text.empty()) << row.name;
    EXPECT_TRUE(row.type != FieldType::choice || row.choices.size() > 0) << row.name;
    for (const Clause& clause :
         row.active_when.empty() ? Condition() : parse_condition(row.active_when)) {
      EXPECT_NE(find_field(clause.field), nullptr) << row.name << " looks at " << clause.field;
    }
  }
  EXPECT_GT(names.size(), 100u);
}

TEST(Fields, EveryDefaultIsLegalAndHonoured) {
  for (const Field& row : fields()) {
    EXPECT_EQ(check_value(row, row.default_value).value_or(""), "") << row.name;
    EXPECT_EQ(canonical_value(row, row.default_value), row.default_value) << row.name;
  }
}

TEST(Fields, AWrongValueNamesWhatIsLegal) {
  EXPECT_EQ(fault("unet.mode", "loar"), "must be one of full, lora, frozen (got 'loar')");
  EXPECT_EQ(fault("unet.lr", "fast"), "must be a number (got the text 'fast')");
  EXPECT_EQ(fault("unet.lr", -1), "must be at least 0 (got -1)");
  EXPECT_EQ(fault("unet.rank", 2.5), "must be a whole number (got the number 2.5)");
  EXPECT_EQ(fault("unet.rank", "010"), "must be a whole number (got the text '010')");
  EXPECT_EQ(fault("train.steps", "1_000"), "must be a whole number (got the text '1_000')");
  EXPECT_EQ(fault("token.train", "no"), "must be true or false (got the text 'no')");
  EXPECT_EQ(fault("train.micro_batch", "lots"),
            "must be a whole number or auto (got the text 'lots')");
  EXPECT_EQ(fault("train.noise_offset", 3), "must be between 0 and 1 (got 3)");
  EXPECT_EQ(fault("data.label_column", 5), "must be a text (got the number 5)");
  EXPECT_EQ(fault("train.betas", json::array({0.9})), "must hold 2 numbers (got 1)");
  EXPECT_EQ(fault("eval.glcm_angles", json::array()), "must hold a number (got an empty list)");
  EXPECT_EQ(fault("eval.glcm_angles", json::array({0, 180})),
            "must be between 0 and 179 (got 180)");
  EXPECT_EQ(fault("eval.glcm_distances", json::array({"one"})),
            "must be a list of numbers (it holds the text 'one')");
  EXPECT_EQ(fault("prompt.replace", json{{"a", 1}}), "'a' must be a text (got the number 1)");
  EXPECT_EQ(fault("model.path", json{{"ron", "x"}}),
            "has the unknown key 'ron'; legal: run, checkpoint");
  EXPECT_EQ(fault("data.stretch", json{{"lo", 1}, {"hi", 0}}), "lo must lie below hi");
  EXPECT_EQ(fault("checkpoint.every", 0), "must be at least 1 (got 0)");
  EXPECT_EQ(fault("resources.walltime", "12"),
            "must be a time such as 12h, 1h30m or 45s (got the text '12')");
}

TEST(Fields, EveryRefusalProposesACure) {
  const auto proposal = [](const char* name, const json& value) {
    return value_proposal(field(name), value);
  };
  EXPECT_EQ(proposal("unet.mode", "loar"), "did you mean 'lora'?");
  EXPECT_EQ(proposal("unet.lr", "fast"), "for example 5e-5");
  EXPECT_EQ(proposal("unet.lr", -1), "write 0");
  EXPECT_EQ(proposal("unet.rank", "010"), "write 10");
  EXPECT_EQ(proposal("train.steps", "1_000"), "write 1000");
  EXPECT_EQ(proposal("token.train", "no"), "write false");
  EXPECT_EQ(proposal("train.noise_offset", 3), "write 1");
  EXPECT_EQ(proposal("data.label_column", 5), "write '5'");
  EXPECT_EQ(proposal("compat.sched_unit", "diffusers_sdxl_bug"), "write update");
  EXPECT_EQ(proposal("resources.walltime", 3600), "write 3600s");
  EXPECT_EQ(proposal("resources.walltime", "noon"), "for example 12h");
  EXPECT_EQ(proposal("resources.vram", 70), "write 70GiB");
  EXPECT_EQ(proposal("resources.vram", "much"), "for example 24GiB");
  EXPECT_EQ(proposal("eval.every", 100), "leave it out");
  EXPECT_EQ(proposal("data.stretch", "mean3sigm"), "did you mean 'mean3sigma'?");
  EXPECT_EQ(proposal("data.path", 3), "for example ../folder");
  EXPECT_EQ(proposal("eval.glcm_distances", 3), "for example [1, 2]");
  EXPECT_EQ(proposal("eval.bits", 12), "write 8");
}

TEST(Fields, RightValuesOfEveryTypePass) {
  EXPECT_EQ(fault("train.micro_batch", "auto"), "");
  EXPECT_EQ(fault("train.micro_batch", 4), "");
  EXPECT_EQ(fault("checkpoint.every", "2epochs"), "");
  EXPECT_EQ(fault("resources.walltime", "1h30m"), "");
  EXPECT_EQ(fault("resources.vram", "70GiB"), "");
  EXPECT_EQ(fault("train.warmup", 0), "");
  EXPECT_EQ(fault("data.stretch", json{{"lo", 0}, {"hi", 0.5}}), "");
  EXPECT_EQ(fault("model.path", json{{"run", "tiny-base/unet"}}), "");
  EXPECT_EQ(fault("unet.lr", json()), "");
  EXPECT_EQ(fault("train.steps", 1e3), "");
  EXPECT_EQ(fault("eval.glcm_angles", json::array({0, 90, 135.0})), "");
  EXPECT_EQ(fault("eval.masks", "builtin"), "");
}

TEST(Fields, WhatThisVersionLeavesOutIsRefusedWithASentence) {
  EXPECT_EQ(fault("eval.every", 100), "is not supported by this version");
  EXPECT_EQ(fault("compat.sched_unit", "diffusers_sdxl_bug"),
            "'diffusers_sdxl_bug' is not supported by this version; it honours update");
  EXPECT_EQ(fault("unet.dropout", 0.1), "'0.1' is not supported by this version; it honours 0");
  EXPECT_EQ(fault("unet.dropout", 0), "");
  EXPECT_EQ(fault("eval.at", json::array({"end", "best"})),
            "'[\"end\",\"best\"]' is not supported by this version; it honours [\"end\"]");
}

TEST(Fields, EqualMeaningsHaveOneForm) {
  EXPECT_EQ(canonical_value(field("unet.lr"), 1).dump(), "1.0");
  EXPECT_EQ(canonical_value(field("unet.rank"), 4.0).dump(), "4");
  EXPECT_EQ(canonical_value(field("train.betas"), json::array({0, 0.5})).dump(), "[0.0,0.5]");
  EXPECT_EQ(canonical_value(field("model.path"), json{{"run", "a"}}),
            json({{"run", "a"}, {"checkpoint", "last"}}));
}

TEST(Fields, AMisspeltFieldFindsItsNeighbour) {
  EXPECT_EQ(nearest_field("unet.rnak"), "unet.rank");
  EXPECT_EQ(nearest_field("text_encoders.rnak"), "text_encoders.rank");
  EXPECT_EQ(nearest_field("trian.steps"), "train.steps");
  EXPECT_EQ(nearest_field("unet.something"), "");
  EXPECT_EQ(nearest_field(std::string(100'000, 'x')), "");
}

TEST(Fields, EditDistanceCountsSingleChanges) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("rank", "rank"), 0);
  EXPECT_EQ(edit_distance("rnak", "rank"), 2);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

TEST(Fields, TextEncodersStandsForBoth) {
  EXPECT_EQ(spread("text_encoders.rank"),
            (std::vector<std::string>{"text_encoder_1.rank", "text_encoder_2.rank"}));
  EXPECT_EQ(spread("unet.rank"), std::vector<std::string>{"unet.rank"});
}

}  // namespace
}  // namespace sarsweep::config
