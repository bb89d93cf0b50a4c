#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "tests/coordinator/core/checkpoint_bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

class GarbageTest : public CheckpointBench {
 protected:
  json look(GarbageRequest request = {}) { return bench.core->collect_garbage(request, "alice"); }
  json remove(GarbageRequest request = {}) {
    request.apply = true;
    json found = bench.core->collect_garbage(request, "alice");
    bench.core->tidy();
    return found;
  }
  void leave_half_a_save(const LeaseKey& key) {
    const fs::path half = folder(key, 900).string() + ".tmp";
    fs::create_directories(half);
    std::ofstream(half / "weights") << "12345";
  }
};

TEST_F(GarbageTest, ADoneRunKeepsItsLastAndItsBest) {
  begin(3, 1);
  save(100, 0.1);
  save(200, 0.4);
  save(300, 0.3);
  save(400, 0.2);
  bench.end(grant.key, 0);
  const json seen = look();
  EXPECT_EQ(seen["runs"].size(), 1U);
  EXPECT_EQ(seen["runs"][0]["checkpoints"], 2);
  EXPECT_EQ(seen["bytes"], 6);
  EXPECT_FALSE(seen["applied"]);
  bench.core->tidy();
  EXPECT_EQ(there(grant.key, {100, 200, 300, 400}).size(), 4U) << "looking removes nothing";
  EXPECT_TRUE(remove()["applied"]);
  EXPECT_EQ(there(grant.key, {100, 200, 300, 400}), (std::vector{100, 400}));
  EXPECT_TRUE(remove()["runs"].empty());
}

TEST_F(GarbageTest, ARunThatMayBeResumedKeepsWhatItsFieldsSay) {
  begin(2, 0);
  save(100);
  save(200);
  bench.end(grant.key, 77);
  EXPECT_EQ(bench.state("a"), "failed");
  EXPECT_TRUE(look()["runs"].empty());
  GarbageRequest one;
  one.keep_last = 1;
  remove(one);
  EXPECT_EQ(there(grant.key, {100, 200}), (std::vector{200}));
}

TEST_F(GarbageTest, ARunThatHasNotEndedIsLeftAlone) {
  begin(2, 0);
  save(100);
  save(200);
  GarbageRequest one;
  one.keep_last = 1;
  one.runs = {grant.key.run_id};
  EXPECT_TRUE(remove(one)["runs"].empty());
  EXPECT_EQ(there(grant.key, {100, 200}), (std::vector{100, 200}));
  one.runs = {"nobody"};
  EXPECT_THROW(look(one), Error);
}

TEST_F(GarbageTest, WhatAnotherRunWasStartedFromStays) {
  bench.sweep.runs = {child_of_a()};
  begin(1, 1);
  const LeaseKey parent = grant.key;
  save(100, 0.1);
  save(200, 0.5);
  bench.end(grant.key, 0);
  bench.core->tick();
  grant = bench.start();
  bench.end(grant.key, 0);
  GarbageRequest none;
  none.keep_best = 0;
  EXPECT_TRUE(remove(none)["runs"].empty());
  EXPECT_EQ(there(parent, {100, 200}), (std::vector{100, 200}));
}

TEST_F(GarbageTest, RemainsOfASaveGoOnceTheirAttemptHasSpoken) {
  begin(2, 0);
  const LeaseKey first = grant.key;
  save(100);
  leave_half_a_save(first);
  bench.verb("a", Verb::kill);
  EXPECT_TRUE(look()["runs"].empty()) << "its worker may still say that it was sealed";
  bench.end(first, 0, 9);
  const json seen = look();
  EXPECT_EQ(seen["runs"][0]["leftovers"], 1);
  EXPECT_EQ(seen["bytes"], 5);
  remove();
  EXPECT_FALSE(fs::exists(folder(first, 900).string() + ".tmp"));
  EXPECT_EQ(there(first, {100}), (std::vector{100}));
}

TEST_F(GarbageTest, WhatALinkLeadsToIsNobodysRemains) {
  begin(2, 0);
  fs::create_directories(bench.folder / "elsewhere/checkpoints/step-00000001");
  fs::create_directories(attempt(grant.key).parent_path());
  fs::create_directory_symlink(bench.folder / "elsewhere", attempt(grant.key));
  bench.end(grant.key, 0);
  EXPECT_TRUE(remove()["runs"].empty());
  EXPECT_TRUE(fs::exists(bench.folder / "elsewhere/checkpoints/step-00000001"));
}

TEST_F(GarbageTest, TheOutlookCountsWhatRunsToComeKeep) {
  PlannedRun waiting = planned("b");  // 2 + 1 checkpoints by default
  PlannedRun brief = planned("c");    // writes only 2
  brief.config = config::RunValues({{"train.steps", 150}, {"checkpoint.every", 100}});
  PlannedRun other = planned("d");
  other.study = "other";
  bench.sweep.runs = {waiting, brief, other};
  begin(1, 0);
  EXPECT_EQ(look()["to_come"], (json{{"runs", 4}, {"bytes", 0}, {"unknown", 4}}));
  save(100);
  bench.end(grant.key, 0);
  EXPECT_EQ(look()["to_come"], (json{{"runs", 3}, {"bytes", (3 + 2 + 3) * 3}, {"unknown", 0}}));
}

}  // namespace
}  // namespace sarsweep::coordinator
