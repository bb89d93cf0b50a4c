#include <gtest/gtest.h>

#include "coordinator/sweep/expand.h"
#include "schema/base/error.h"
#include "schema/config/fields.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

TEST(Protocol, ShippedBlocksHoldLegalValues) {
  for (const char* name : {"sar-v1", "mini-v1"}) {
    const json block = resolve_protocol({{"eval.protocol", name}});
    EXPECT_EQ(block["name"], name);
    EXPECT_EQ(block["hash"].get<std::string>().size(), 64u);
    for (const config::Field& field : config::fields()) {
      if (!field.name.starts_with("eval.") || !field.supported) continue;
      const std::string key(field.name.substr(5));
      if (key == "protocol" || key == "at") continue;
      ASSERT_TRUE(block.contains(key)) << name << " lacks " << key;
      EXPECT_EQ(config::check_value(field, block[key]).value_or(""), "") << name << " " << key;
    }
  }
}

TEST(Protocol, TheDefaultIsThePapers) {
  EXPECT_EQ(resolve_protocol(json::object())["name"], "sar-v1");
  EXPECT_EQ(resolve_protocol(json::object())["smoothing"], "eps");
  EXPECT_EQ(resolve_protocol({{"eval.protocol", "mini-v1"}})["smoothing"], "half");
}

TEST(Protocol, AnOverrideChangesTheHash) {
  const json plain = resolve_protocol({{"eval.protocol", "mini-v1"}});
  const json changed = resolve_protocol({{"eval.protocol", "mini-v1"}, {"eval.per_label", 3}});
  EXPECT_EQ(changed["per_label"], 3);
  EXPECT_NE(plain["hash"], changed["hash"]);
  const json same =
      resolve_protocol({{"eval.protocol", "mini-v1"}, {"eval.per_label", plain["per_label"]}});
  EXPECT_EQ(plain["hash"], same["hash"]);
}

TEST(Protocol, ACompleteConfigOverridesNothing) {
  EXPECT_EQ(resolve_protocol(config::with_defaults(json::object())),
            resolve_protocol(json::object()));
}

TEST(Protocol, AnUnknownNameIsNotFound) {
  try {
    resolve_protocol({{"eval.protocol", "sar-v9"}});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_EQ(error.field(), "eval.protocol");
  }
}

}  // namespace
}  // namespace sarsweep::coordinator
