// imports/NAME.yaml, W&B sweeps, and imports/NAME.txt, what becomes of each: the sweep file, then
// what is said about it. With SARSWEEP_UPDATE_GOLDEN=1 the texts are written anew, to be read as a
// diff.
#include "coordinator/sweep/wandb_import.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "schema/base/atomic_file.h"
#include "tests/coordinator/sweep/golden.h"
#include "tests/coordinator/sweep/sweep_text.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> cases() { return yaml_files("imports"); }

ImportedSweep imported(const fs::path& file) {
  return import_wandb(file.filename().string(), read_file(file));
}

TEST(WandbImport, MakesOfEachFileWhatItsTextSays) {
  for (const fs::path& file : cases()) {
    SCOPED_TRACE(file.filename().string());
    const ImportedSweep sweep = imported(file);
    expect_golden(file, sweep.text + "----\n" + remarks(sweep.diagnostics));
  }
}

TEST(WandbImport, WritesFilesThatPlanAndNothingAfterAnError) {
  for (const fs::path& file : cases()) {
    SCOPED_TRACE(file.filename().string());
    const ImportedSweep sweep = imported(file);
    const bool failed =
        std::any_of(sweep.diagnostics.begin(), sweep.diagnostics.end(),
                    [](const Diagnostic& remark) { return remark.severity == "error"; });
    EXPECT_EQ(sweep.text.empty(), failed);
    if (failed) continue;
    const ExpandedSweep plan =
        expand_text(sweep.text, {"model.path=base", "data.path=data", "data.stretch=none"});
    EXPECT_EQ(plan.has_errors(), file.stem() == "hostile") << remarks(plan);
  }
}

TEST(WandbImport, KeepsEveryCombination) {
  const ImportedSweep sweep = imported(cases().at(3));
  ASSERT_EQ(cases().at(3).stem(), "lora-grid");
  const ExpandedSweep plan = expand_text(sweep.text, {"data.stretch=none"});
  EXPECT_EQ(plan.cells, 3 * 2 * 3 * 2 * 2);
  EXPECT_EQ(plan.runs.size(), 3u * 2 * 3 * 2 * 2 * 3);
}

}  // namespace
}  // namespace sarsweep::coordinator
