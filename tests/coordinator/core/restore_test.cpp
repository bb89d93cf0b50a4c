#include "coordinator/core/restore.h"

#include <gtest/gtest.h>

#include "schema/base/atomic_file.h"
#include "schema/protocol/run_dir.h"
#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

class Restore : public testing::Test {
 protected:
  Restore() {
    bench_.sweep.runs = {planned("a"), planned("b")};
    bench_.submit();
    bench_.add_worker();
  }
  fs::path backup() { return bench_.core->back_up()["file"].get<std::string>(); }
  RestoreSummary restore(const fs::path& file) {
    bench_.core.reset();
    RestoreSummary summary = restore_backup(
        {.home = bench_.folder, .store = bench_.folder / "store"}, file, bench_.clock);
    bench_.open();
    return summary;
  }
  bool is_fenced(const LeaseKey& key) {
    try {
      bench_.ship(key, "");
    } catch (const Error& error) {
      return error.code() == ErrorCode::fenced;
    }
    return false;
  }

  Bench bench_;
};

TEST_F(Restore, BringsBackWhatTheBackupHeldAndNothingElse) {
  const Grant done = bench_.start();
  bench_.ship(done.key, "{\"type\":\"metrics\",\"step\":1,\"values\":{\"x\":0.5}}\n");
  const fs::path file = backup();
  bench_.end(done.key, 0);
  ASSERT_EQ(bench_.state("a"), "done");

  const RestoreSummary summary = restore(file);
  EXPECT_EQ(summary.backup.runs, 2);
  EXPECT_EQ(summary.backup.points, 1);
  EXPECT_EQ(summary.requeued, 1);
  EXPECT_EQ(bench_.state("a"), "queued");
  EXPECT_EQ(bench_.core->metrics(bench_.run("a")["id"], {"x"}, false, 0)["x"].size(), 1U);
}

TEST_F(Restore, FencesTheTrainersOfBefore) {
  const Grant before = bench_.start();
  const fs::path file = backup();
  restore(file);
  EXPECT_TRUE(is_fenced(before.key));
  const Grant after = bench_.start();
  EXPECT_GT(after.key.lease_epoch, before.key.lease_epoch);
  EXPECT_TRUE(is_fenced(before.key));
  EXPECT_FALSE(is_fenced(after.key));
}

// A grant empties the folder of its epoch: one that the forgotten time has filled must not be
// granted again.
TEST_F(Restore, NeverGrantsAnEpochThatHasAFolder) {
  const fs::path file = backup();
  const std::string run = bench_.run("a")["id"];
  fs::create_directories(run_dir::attempt_dir(bench_.folder / "store", run, 7));
  fs::create_directories(run_dir::attempt_dir(bench_.folder / "store", run, 1));
  fs::create_directories(bench_.folder / "store" / "runs" / run / "else");
  restore(file);
  EXPECT_EQ(bench_.take().key.lease_epoch, 8);
}

TEST_F(Restore, EndsWhatWasBeingPausedOrCancelled) {
  bench_.add_worker("two", 2);
  bench_.ask("n", {0, 1});
  bench_.verb("a", Verb::pause);
  bench_.verb("b", Verb::cancel);
  restore(backup());
  EXPECT_EQ(bench_.state("a"), "paused");
  EXPECT_EQ(bench_.state("b"), "cancelled");
}

TEST_F(Restore, IsRefusedWhileACoordinatorRuns) {
  const fs::path file = backup();
  EXPECT_THROW(restore_backup({.home = bench_.folder, .store = {}}, file, bench_.clock), Error);
  EXPECT_EQ(bench_.state("a"), "queued");
}

TEST_F(Restore, OfADamagedBackupLeavesTheDatabaseAsItWas) {
  const fs::path file = backup();
  const std::string content = read_file(file);
  write_file_atomically(file, content.substr(0, content.size() / 2));
  bench_.verb("a", Verb::cancel);
  EXPECT_THROW(restore(file), Error);
  bench_.open();
  EXPECT_EQ(bench_.state("a"), "cancelled");
}

TEST_F(Restore, IsNotHarmedByOneThatWasCutShort) {
  const fs::path file = backup();
  for (const char* name : {"restoring.db", "restoring.db-wal", "restoring.db-shm"}) {
    write_file_atomically(bench_.folder / name, "half of something");
  }
  restore(file);
  EXPECT_EQ(bench_.state("a"), "queued");
  EXPECT_FALSE(fs::exists(bench_.folder / "restoring.db-wal"));
}

TEST_F(Restore, KeepsTheDatabaseOfBeforeForGoingBack) {
  const fs::path file = backup();
  bench_.verb("a", Verb::cancel);
  const RestoreSummary summary = restore(file);
  EXPECT_EQ(bench_.state("a"), "queued");
  restore(summary.aside / "sarsweep.db");
  EXPECT_EQ(bench_.state("a"), "cancelled");
}

TEST_F(Restore, CountsTheFilesThatTheStoreNoLongerHas) {
  const Grant grant = bench_.start();
  bench_.ship(grant.key, nlohmann::json{{"type", "sample"},
                                        {"step", 1},
                                        {"file", "samples/step-00000001/0.png"},
                                        {"prompt", "p"},
                                        {"seed", 0},
                                        {"bytes", 3},
                                        {"sha256", std::string(64, 'a')}}
                                 .dump() +
                             "\n");
  EXPECT_EQ(restore(backup()).missing_files, 1);
}

}  // namespace
}  // namespace sarsweep::coordinator
