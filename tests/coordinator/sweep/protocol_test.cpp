#include "coordinator/sweep/protocol.h"

#include <gtest/gtest.h>

#include "coordinator/sweep/expand.h"
#include "coordinator/sweep/yaml_reader.h"
#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/config/fields.h"
#include "schema/config/shipped_protocols.h"
#include "tests/coordinator/sweep/sweep_text.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

// Three runs that differ in one line of their eval block.
ExpandedSweep with_base(const std::string& a, const std::string& b, const std::string& c) {
  return expand_text(
      "version: 1\nsweep: demo\nbase: {model.path: m, data.path: d}\nruns:\n  a: {eval: {" + a +
      "}}\n  b: {eval: {" + b + "}}\n  c: {eval: {" + c + "}}\n");
}

TEST(Protocol, ShippedBlocksHoldLegalValues) {
  for (const char* name : {"sar-v1", "mini-v1"}) {
    const json block = resolve_protocol({{"eval.protocol", name}});
    EXPECT_EQ(block["name"], name);
    EXPECT_EQ(block["hash"].get<std::string>().size(), 64u);
    for (const config::Field& field : config::fields()) {
      if (!field.name.starts_with("eval.") || !field.supported) continue;
      const std::string key(field.name.substr(5));
      if (key == "protocol" || key == "at" || key == "clip") continue;
      ASSERT_TRUE(block.contains(key)) << name << " lacks " << key;
      EXPECT_EQ(config::check_value(field, block[key]).value_or(""), "") << name << " " << key;
    }
  }
}

// The files are read by a reader of their own, which must not understand them otherwise than YAML
// is.
TEST(Protocol, ShippedFilesMeanWhatYamlSays) {
  for (const char* name : {"sar-v1", "mini-v1"}) {
    const std::string text =
        read_file(std::string(SARSWEEP_SOURCE_DIR "/schema/config/protocols/") + name + ".yaml");
    sweep::Diagnostics diagnostics(name, text);
    const std::optional<sweep::YamlNode> root = sweep::read_yaml(text, diagnostics);
    ASSERT_TRUE(root && !diagnostics.has_errors()) << name;
    EXPECT_EQ(config::shipped_protocols().at(name), sweep::to_json(*root)) << name;
  }
  EXPECT_EQ(sweep::protocol_names(), (std::vector<std::string>{"mini-v1", "sar-v1"}));
}

TEST(Protocol, AFileThatIsNoneIsRefused) {
  for (const char* text :
       {"bins:256\n", "bins: 256\nbins: 8\n", "a b: 1\n", "a: {b: 1}\n", "a: b c\n"}) {
    EXPECT_THROW(config::parse_protocol_file(text, "test"), Error) << text;
  }
}

TEST(Protocol, MasksAreAPathOrAWord) {
  const ExpandedSweep sweep =
      with_base("masks: masks/sam", "masks: builtin", "masks: /data/m.json");
  EXPECT_EQ(remarks(sweep), "");
  EXPECT_EQ(sweep.runs.at(0).path_bases.json().at("eval.masks"), "/lab/sweeps");
  EXPECT_FALSE(sweep.runs.at(1).path_bases.json().contains("eval.masks"));
  EXPECT_FALSE(sweep.runs.at(2).path_bases.json().contains("eval.masks"));
  EXPECT_EQ(resolve_protocol(sweep.runs.at(1).config.flat())["masks"], "builtin");
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

ExpandedSweep with_protocols(const std::string& runs) {
  return expand_text(
      "version: 1\nsweep: demo\nbase: {model.path: m, data.path: d, eval.protocol: mine}\n"
      "protocols: {mine: {like: mini-v1, per_label: 7, bins: 32}}\nruns: {" +
      runs + "}\n");
}

TEST(Protocol, OfAFileIsAShippedOneWithOtherValues) {
  const ExpandedSweep sweep = with_protocols("a: {}");
  EXPECT_EQ(remarks(sweep), "");
  const json block = resolve_protocol(sweep.runs.at(0).config.flat());
  EXPECT_EQ(block["per_label"], 7);
  EXPECT_EQ(block["bins"], 32);
  EXPECT_EQ(block["smoothing"], "half");
  EXPECT_EQ(sweep.runs.at(0).origins.json()["eval.bins"], "sweep.yaml:4");
}

TEST(Protocol, OfAFileJudgesAsTheSameValuesWrittenOut) {
  const ExpandedSweep named = with_protocols("a: {}");
  const ExpandedSweep written =
      with_protocols("a: {eval: {protocol: mini-v1, per_label: 7, bins: 32}}");
  EXPECT_EQ(named.runs.at(0).judge_hash, written.runs.at(0).judge_hash) << remarks(written);
}

TEST(Protocol, AFieldOfTheRunWinsOverTheFilesProtocol) {
  const ExpandedSweep sweep = with_protocols("a: {eval.bins: 64}, b: {eval.protocol: sar-v1}");
  EXPECT_EQ(resolve_protocol(sweep.runs.at(0).config.flat())["bins"], 64) << remarks(sweep);
  EXPECT_EQ(resolve_protocol(sweep.runs.at(1).config.flat())["bins"], 256);
}

}  // namespace
}  // namespace sarsweep::coordinator
