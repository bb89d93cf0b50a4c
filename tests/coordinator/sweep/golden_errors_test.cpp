// errors/NAME.yaml, each wrong in one way, and errors/NAME.txt, what is said about it. A line
// `# set: key=value` in the file is passed as --set. With SARSWEEP_UPDATE_GOLDEN=1 the texts are
// written anew, to be read as a diff.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "schema/base/atomic_file.h"
#include "tests/coordinator/sweep/golden.h"
#include "tests/coordinator/sweep/sweep_text.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> cases() { return yaml_files("errors"); }

std::vector<std::string> settings_in(const std::string& text) {
  std::vector<std::string> settings;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("# set: ", 0) == 0) settings.push_back(line.substr(7));
  }
  return settings;
}

TEST(GoldenErrors, EachFileIsRefusedAsItsTextSays) {
  for (const fs::path& file : cases()) {
    SCOPED_TRACE(file.filename().string());
    const std::string text = read_file(file);
    const ExpandedSweep sweep = expand_text(text, settings_in(text));
    expect_golden(file, remarks(sweep));
  }
}

TEST(GoldenErrors, EveryRemarkIsLocatedAndProposesACure) {
  for (const fs::path& file : cases()) {
    SCOPED_TRACE(file.filename().string());
    const std::string text = read_file(file);
    const ExpandedSweep sweep = expand_text(text, settings_in(text));
    EXPECT_FALSE(sweep.diagnostics.empty());
    EXPECT_EQ(sweep.has_errors(), sweep.runs.empty());
    for (const Diagnostic& remark : sweep.diagnostics) {
      EXPECT_FALSE(remark.suggestion.empty()) << remark.message;
      EXPECT_FALSE(remark.code.empty()) << remark.message;
      if (remark.file == "--set") continue;
      EXPECT_GE(remark.line, 1) << remark.message;
      EXPECT_GE(remark.col, 1) << remark.message;
      EXPECT_FALSE(remark.source.empty() && remark.code != "empty_file") << remark.message;
    }
  }
}

TEST(GoldenErrors, ThereAreAtLeastForty) { EXPECT_GE(cases().size(), 40u); }

TEST(GoldenErrors, EightMistakesGiveEightMessages) {
  const ExpandedSweep sweep = expand_text(R"(version: 1
sweep: demo
objective: {metric: eval/kl_poled}
base:
  model.path: m
  data.path: d
  unet: {mode: loar, lr: fast}
  train.steps: -1
  trian.eps: 1e-8
seeds: [0, 0]
runs:
  a: {text_encoders.rnak: 4}
  a: {}
  b: {parent: c}
)");
  EXPECT_EQ(sweep.diagnostics.size(), 9u) << remarks(sweep);
}

TEST(GoldenErrors, AtMostTwentyAreReported) {
  std::string text = "version: 1\nsweep: demo\nbase:\n  model.path: m\n";
  for (int i = 0; i < 50; ++i) text += "  nonsense" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(expand_text(text + "runs: {a: {}}\n").diagnostics.size(), 20u);
}

TEST(GoldenErrors, ColumnsCountCharactersNotBytes) {
  const ExpandedSweep sweep = expand_text(
      "version: 1\nsweep: demo\nbase: {samples.negative: 'äöü', unet.rnak: 4}\nruns: {a: {}}\n");
  ASSERT_FALSE(sweep.diagnostics.empty());
  const Diagnostic& remark = sweep.diagnostics.front();
  EXPECT_EQ(remark.code, "unknown_field");
  EXPECT_EQ(remark.line, 3);
  EXPECT_EQ(remark.col, 38);
  EXPECT_EQ(remark.length, 4);
}

}  // namespace
}  // namespace sarsweep::coordinator
