#include "schema/config/run_values.h"

#include <gtest/gtest.h>

#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;

TEST(RunValues, ItsTextIsTheCanonicalJsonOfTheFlatConfig) {
  const json flat = {{"unet.lr", 1e-5},
                     {"prompt.replace", {{"b", "c"}, {"a", "\"é\"\n"}}},
                     {"job", "vae"},
                     {"train.betas", {0.9, 0.999}},
                     {"train.steps", 0}};
  const RunValues values(flat);
  EXPECT_EQ(values.flat(), flat);
  EXPECT_EQ(values.text(), canonical_json(flat));
  EXPECT_EQ(RunValues().text(), "{}");
  const RunValues all = with_defaults(values);
  EXPECT_EQ(all.text(), canonical_json(all.flat()));
}

TEST(RunValues, TheTextOfAClassHasItsFieldsAlone) {
  const RunValues values(json{{"unet.lr", 1e-5}, {"samples.steps", 3}, {"resources.retries", 1}});
  EXPECT_EQ(values.text(FieldClass::science), R"({"unet.lr":1e-05})");
  EXPECT_EQ(values.text(FieldClass::judge), R"({"samples.steps":3})");
  EXPECT_EQ(values.text(FieldClass::exec), R"({"resources.retries":1})");
}

TEST(RunValues, NullIsNoValueAndUnknownNamesAreLeftOut) {
  const RunValues values(json{{"unet.lr", nullptr}, {"unet.rnak", 4}});
  EXPECT_FALSE(values.contains("unet.lr"));
  EXPECT_FALSE(values.contains("unet.rnak"));
  EXPECT_TRUE(values["unet.rnak"].is_null());
  EXPECT_EQ(values.text(), "{}");
  EXPECT_THROW(RunValues().set("unet.rnak", Value(4)), Error);
}

TEST(RunValues, ACopyGoesItsOwnWay) {
  RunValues one(json{{"unet.rank", 4}});
  RunValues other = one;
  other.set("unet.rank", Value(8));
  other.set("job", Value("vae"));
  EXPECT_EQ(one.flat(), (json{{"unet.rank", 4}}));
  other.set("unet.rank", Value());
  EXPECT_EQ(other.flat(), (json{{"job", "vae"}}));
}

TEST(RunValues, CompletesAsTheJsonFormDoes) {
  for (const json& given : {json{{"model.path", "m"}}, json{{"job", "vae"}, {"train.steps", 5}},
                            json{{"unet.mode", "lora"}, {"unet.rank", 6}, {"data.flip", "azimuth"}},
                            json{{"vae.mode", "decoder"}, {"text_encoder_1.mode", "lora"}}}) {
    json complete = with_defaults(given);
    json active = active_only(complete);
    for (auto item = active.begin(); item != active.end();) {
      item = item->is_null() ? active.erase(item) : std::next(item);
    }
    EXPECT_EQ(active_only(with_defaults(RunValues(given))).flat(), active) << given;
    EXPECT_EQ(combination_problems(RunValues(complete)).size(),
              combination_problems(complete).size());
  }
}

}  // namespace
}  // namespace sarsweep::config
