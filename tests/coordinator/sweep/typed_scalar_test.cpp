#include "coordinator/sweep/typed_scalar.h"

#include <gtest/gtest.h>

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

TEST(TypedScalar, NumbersAreNumbers) {
  EXPECT_EQ(typed_scalar("1e-5"), 1e-5);
  EXPECT_EQ(typed_scalar("-1.5E+3"), -1500.0);
  EXPECT_EQ(typed_scalar(".5"), 0.5);
  EXPECT_EQ(typed_scalar("+7"), 7);
  EXPECT_EQ(typed_scalar("0"), 0);
  EXPECT_EQ(typed_scalar("0.10"), 0.1);
  EXPECT_TRUE(typed_scalar("20000").is_number_integer());
  EXPECT_TRUE(typed_scalar("1.0").is_number_float());
  EXPECT_EQ(typed_scalar("99999999999999999999"), 1e20);
}

TEST(TypedScalar, LookalikesStayText) {
  for (const char* text :
       {"no",  "yes", "on", "off", "True", "010", "0x10",  "1_000", ".inf",  ".nan", "nan",
        "inf", "1e",  "e5", "-",   "+",    ".",   "1.2.3", "1e999", "12:30", "Null", "--1"}) {
    EXPECT_EQ(typed_scalar(text), json(text)) << text;
  }
}

TEST(TypedScalar, WordsOfJsonKeepTheirMeaning) {
  EXPECT_EQ(typed_scalar("true"), true);
  EXPECT_EQ(typed_scalar("false"), false);
  EXPECT_TRUE(typed_scalar("null").is_null());
  EXPECT_TRUE(typed_scalar("~").is_null());
  EXPECT_TRUE(typed_scalar("").is_null());
}

}  // namespace
}  // namespace sarsweep::sweep
