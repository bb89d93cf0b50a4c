#include "schema/config/condition.h"

#include <gtest/gtest.h>

#include "schema/base/error.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;

bool holds_for(const char* text, const json& values) {
  return holds(parse_condition(text), [&](const std::string& field) {
    return values.contains(field) ? values[field] : json();
  });
}

TEST(Condition, ComparesTextsAndNumbers) {
  const json values = {
      {"unet.mode", "lora"}, {"unet.rank", 64}, {"unet.lr", 1e-5}, {"token.train", true}};
  EXPECT_TRUE(holds_for("unet.mode == lora", values));
  EXPECT_TRUE(holds_for("unet.mode == 'lora'", values));
  EXPECT_FALSE(holds_for("unet.mode != lora", values));
  EXPECT_TRUE(holds_for("unet.rank>=64", values));
  EXPECT_FALSE(holds_for("unet.rank > 64", values));
  EXPECT_TRUE(holds_for("unet.rank in [4, 64]", values));
  EXPECT_FALSE(holds_for("unet.rank in [4, 8]", values));
  EXPECT_TRUE(holds_for("unet.lr == 1e-5", values));
  EXPECT_TRUE(holds_for("token.train == true", values));
}

TEST(Condition, AndNeedsEveryClause) {
  const json values = {{"a", 1}, {"b", 2}};
  EXPECT_TRUE(holds_for("a == 1 and b < 3", values));
  EXPECT_FALSE(holds_for("a == 1 and b > 3", values));
}

TEST(Condition, AnAbsentFieldMakesOnlyUnequalTrue) {
  for (const char* text : {"x == 1", "x < 1", "x <= 1", "x > 1", "x >= 1", "x in [1]"}) {
    EXPECT_FALSE(holds_for(text, json::object())) << text;
  }
  EXPECT_TRUE(holds_for("x != 1", json::object()));
}

TEST(Condition, TextsHaveNoOrder) { EXPECT_FALSE(holds_for("a < 3", {{"a", "2"}})); }

TEST(Condition, MalformedTextIsRefused) {
  for (const char* text : {"", "a", "a ==", "== 1", "a = 1", "a == 1 b == 2", "a in 3", "a in [1",
                           "a == 'x", "a == 1 and", "a == 1 or b == 1"}) {
    EXPECT_THROW(parse_condition(text), Error) << text;
  }
}

}  // namespace
}  // namespace sarsweep::config
