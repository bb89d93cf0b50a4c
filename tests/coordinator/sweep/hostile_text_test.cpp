#include <gtest/gtest.h>

#include "schema/base/philox.h"
#include "tests/coordinator/sweep/sweep_text.h"

namespace sarsweep::coordinator {
namespace {

std::string first_code(const std::string& text) {
  const ExpandedSweep sweep = expand_text(text);
  EXPECT_TRUE(sweep.has_errors());
  EXPECT_TRUE(sweep.runs.empty());
  return sweep.diagnostics.empty() ? "" : sweep.diagnostics.front().code;
}

std::string repeated(const std::string& part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

TEST(HostileText, MoreThanAMebibyteIsRefused) {
  EXPECT_EQ(first_code(std::string((1 << 20) + 1, 'a')), "too_large");
}

TEST(HostileText, MillionfoldNestingIsRefused) {
  EXPECT_EQ(first_code(std::string(1'000'000, '[')), "too_deep");
  EXPECT_EQ(first_code(std::string(1'000'000, '{')), "too_deep");
  EXPECT_EQ(first_code(repeated("- ", 500'000)), "too_deep");
  EXPECT_EQ(first_code(repeated("? ", 500'000)), "too_deep");
  EXPECT_EQ(first_code(repeated("a: {", 250'000)), "too_deep");
}

TEST(HostileText, DeepIndentationIsRefused) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string(i, ' ') + "a:\n";
  EXPECT_EQ(first_code(text), "too_deep");
}

TEST(HostileText, AnAliasBombIsRefused) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below +
            repeated(", " + below, 8) + "]\n";
  }
  EXPECT_EQ(first_code(text), "anchor");
}

TEST(HostileText, AnAliasToItselfIsRefused) {
  EXPECT_EQ(first_code("version: 1\nsweep: demo\nbase: &x {unet: *x}\nruns: {a: {}}\n"), "anchor");
}

TEST(HostileText, RandomBytesAreRefusedAndNeverCrash) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const RandomStream random(seed, "hostile", 0);
    std::string text;
    for (std::uint64_t i = 0; i < 200 + seed * 20; ++i)
      text.push_back(static_cast<char>(random.below(256, i)));
    const ExpandedSweep sweep = expand_text(text);
    EXPECT_TRUE(sweep.has_errors());
    EXPECT_NO_THROW(nlohmann::json(sweep.diagnostics).dump()) << seed;
  }
}

TEST(HostileText, RandomYamlPunctuationNeverCrashes) {
  const std::string alphabet = "ab:-[]{},#&*!|>'\"%@`?\n  1.~<";
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const RandomStream random(seed, "punctuation", 0);
    std::string text = "version: 1\nsweep: demo\nbase: ";
    for (std::uint64_t i = 0; i < 60; ++i)
      text.push_back(alphabet[random.below(alphabet.size(), i)]);
    EXPECT_NO_THROW(nlohmann::json(expand_text(text).diagnostics).dump()) << text;
  }
}

TEST(HostileText, EveryCutOfAGoodFileIsHandled) {
  const std::string text = R"(version: 1
sweep: demo
base: {model.path: "m", data: {path: d}, prompt.replace: {"a view": 'b'}}
studies:
  s: {grid: {unet.mode: [full, lora]}, when: [{if: unet.mode == lora, grid: {unet.rank: [4, 8]}}]}
)";
  EXPECT_EQ(expand_text(text).runs.size(), 3u);
  for (std::size_t end = 0; end < text.size(); ++end) {
    EXPECT_NO_THROW(expand_text(text.substr(0, end))) << end;
  }
}

TEST(HostileText, AMebibyteOfOneCharacterIsHandled) {
  for (const char c : std::string("a:-,#&*!|>'\"%@`?\n 1.~<\\\t")) {
    EXPECT_TRUE(expand_text(std::string(1 << 20, c)).has_errors()) << static_cast<int>(c);
  }
}

TEST(HostileText, AHugeProductIsCountedBeforeItIsMade) {
  std::string grid;
  const std::vector<std::string> fields = {"unet.lr",   "text_encoder_1.lr",  "text_encoder_2.lr",
                                           "train.eps", "train.weight_decay", "train.clip_norm",
                                           "vae.lr",    "train.min_snr_gamma"};
  for (const std::string& field : fields) {
    grid += "  " + field + ": [1" + [] {
      std::string values;
      for (int i = 2; i <= 1000; ++i) values += ", " + std::to_string(i);
      return values;
    }() + "]\n";
  }
  const ExpandedSweep sweep =
      expand_text("version: 1\nsweep: demo\nbase: {model.path: m, data.path: d}\ngrid:\n" + grid);
  ASSERT_TRUE(sweep.has_errors());
  bool found = false;
  for (const Diagnostic& remark : sweep.diagnostics)
    found = found || remark.code == "too_many_runs";
  EXPECT_TRUE(found) << remarks(sweep);
}

}  // namespace
}  // namespace sarsweep::coordinator
