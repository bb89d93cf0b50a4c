#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "schema/base/atomic_file.h"
#include "schema/config/fields.h"
#include "tests/coordinator/sweep/sweep_text.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

ExpandedSweep shipped(const std::string& name, std::vector<std::string> set = {}) {
  return expand_text(read_file(fs::path(SARSWEEP_SOURCE_DIR) / "sweeps" / (name + ".yaml")),
                     std::move(set));
}

TEST(ShippedSweeps, EveryOneExpandsToRunsThatCanStart) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(SARSWEEP_SOURCE_DIR) / "sweeps")) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    const std::string name = entry.path().stem().string();
    SCOPED_TRACE(name);
    const ExpandedSweep sweep = shipped(name, {"data.path=../data"});
    EXPECT_EQ(remarks(sweep), "");
    EXPECT_EQ(sweep.name, name);
    EXPECT_FALSE(sweep.runs.empty());
    for (const PlannedRun& run : sweep.runs) {
      EXPECT_NO_THROW(config::require_valid(config::with_defaults(run.config.flat()))) << run.name;
      EXPECT_FALSE(run.alias_of) << run.name;
      EXPECT_NO_THROW(resolve_protocol(run.config.flat())) << run.name;
    }
  }
  EXPECT_GE(files, 3);
}

TEST(ShippedSweeps, TheExampleInTheDocsExpands) {
  const std::string page = read_file(fs::path(SARSWEEP_SOURCE_DIR) / "docs/sweeps.md");
  const std::string fence = "```yaml\n";
  const std::size_t start = page.find(fence) + fence.size();
  const ExpandedSweep sweep = expand_text(page.substr(start, page.find("```", start) - start));
  EXPECT_EQ(remarks(sweep), "");
  EXPECT_EQ(sweep.cells, 3 + (3 + 6 - 1 + 1) + 2 + 2 * 2);
}

TEST(ShippedSweeps, TheTinyBaseTrainsItsUnetOnItsVae) {
  const ExpandedSweep sweep = shipped("tiny-base");
  ASSERT_EQ(sweep.runs.size(), 2u) << remarks(sweep);
  EXPECT_EQ(sweep.runs[0].config["job"], "vae");
  ASSERT_TRUE(sweep.runs[1].parent);
  EXPECT_EQ(sweep.runs[1].parent->cell, "vae");
}

TEST(ShippedSweeps, TheQuickstartCrossesModeRankAndBatch) {
  const ExpandedSweep sweep = shipped("quickstart");
  std::set<std::string> modes, batches, ranks;
  for (const PlannedRun& run : sweep.runs) {
    modes.insert(run.config["unet.mode"]);
    batches.insert(run.config["train.global_batch"].dump());
    ranks.insert(run.config["text_encoder_1.rank"].dump());
    ASSERT_TRUE(run.parent);
    EXPECT_EQ(run.parent->sweep + "/" + run.parent->cell, "tiny-base/unet");
  }
  EXPECT_GE(sweep.trainings, 6);
  EXPECT_GE(modes.size(), 2u);
  EXPECT_GE(batches.size(), 2u);
  EXPECT_GE(ranks.size(), 2u);
}

TEST(ShippedSweeps, MstarHasSixTrainedRunsAndTheBase) {
  const ExpandedSweep sweep = shipped("mstar", {"data.path=/data/mstar"});
  int trained = 0;
  for (const PlannedRun& run : sweep.runs) trained += run.config["train.steps"] == 0 ? 0 : 1;
  EXPECT_EQ(trained, 6);
  EXPECT_EQ(sweep.runs.at(0).name, "base");
  EXPECT_EQ(sweep.runs.at(0).config["train.steps"], 0);
  EXPECT_EQ(sweep.runs.at(0).config["data.path"], "/data/mstar");
}

TEST(ShippedSweeps, MstarWithoutItsDataWarns) {
  const ExpandedSweep sweep = shipped("mstar");
  EXPECT_FALSE(sweep.has_errors());
  ASSERT_FALSE(sweep.diagnostics.empty());
  EXPECT_EQ(sweep.diagnostics.front().code, "missing_data_path");
}

}  // namespace
}  // namespace sarsweep::coordinator
