#include <gtest/gtest.h>

#include <vector>

#include "tests/coordinator/core/checkpoint_bench.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

using RetentionTest = CheckpointBench;

TEST_F(RetentionTest, TheNewestStayAndNobodyIsOfferedTheRest) {
  begin(2, 0);
  const LeaseKey first = grant.key;
  for (const int step : {100, 200, 300, 400}) save(step);
  bench.core->tidy();
  EXPECT_EQ(there(first, {100, 200, 300, 400}), (std::vector{300, 400}));
  fail_and_begin_again();
  EXPECT_EQ(offered(), (std::vector<std::int64_t>{400, 300}));
}

TEST_F(RetentionTest, FilesStayUntilANewerOneIsSealed) {
  begin(1, 0);
  save(100);
  bench.core->tidy();
  EXPECT_EQ(there(grant.key, {100}), (std::vector{100}));
}

TEST_F(RetentionTest, TheBestStays) {
  begin(1, 2);
  save(100, 0.3);
  save(200, 0.1);
  save(300, 0.2);
  save(400);  // not measured
  save(500, 0.9);
  bench.core->tidy();
  EXPECT_EQ(there(grant.key, {100, 200, 300, 400, 500}), (std::vector{200, 300, 500}));
}

TEST_F(RetentionTest, ALaterAttemptIsNotPushedOutByWhatItCouldNotRead) {
  begin(1, 0);
  const LeaseKey first = grant.key;
  save(400);
  fail_and_begin_again();
  save(300);  // It had to begin before 400.
  bench.core->tidy();
  EXPECT_EQ(there(grant.key, {300}), (std::vector{300}));
  EXPECT_EQ(there(first, {400}), (std::vector{400}));
  save(500);
  bench.core->tidy();
  EXPECT_EQ(there(grant.key, {300, 500}), (std::vector{500}));
  EXPECT_EQ(there(first, {400}), std::vector<int>{});
}

TEST_F(RetentionTest, AStartFromScratchLeavesNothingBehind) {
  begin(2, 1);
  const LeaseKey first = grant.key;
  save(100);
  save(200);
  bench.verb("a", Verb::kill);
  bench.core->tidy();
  EXPECT_EQ(there(first, {100, 200}), (std::vector{100, 200}));
  bench.verb("a", Verb::retry, true);
  bench.core->tidy();
  EXPECT_EQ(there(first, {100, 200}), std::vector<int>{});
}

TEST_F(RetentionTest, ARemovalThatWasCutShortIsFinishedLater) {
  begin(1, 0);
  save(100);
  save(200);
  fs::remove(folder(grant.key, 100) / "weights");  // as far as it came
  bench.open();
  bench.core->tidy();
  EXPECT_EQ(there(grant.key, {100, 200}), (std::vector{200}));
  bench.core->tidy();
  EXPECT_EQ(there(grant.key, {100, 200}), (std::vector{200}));
}

// The best of the parent, which it may drop itself, is kept for a child; and then for ever.
TEST_F(RetentionTest, WhatAChildStartsFromStays) {
  bench.sweep.runs = {child_of_a()};
  begin(1, 0);
  const LeaseKey parent = grant.key;
  save(100, 0.1);
  save(200, 0.5);
  save(300, 0.4);
  bench.end(grant.key, 0);
  bench.core->tick();
  bench.core->tidy();
  EXPECT_EQ(there(parent, {100, 200, 300}), (std::vector{100, 300}));
  grant = bench.start();
  EXPECT_EQ(grant.run_json["config"]["model"]["path"], folder(parent, 100).string());
}

TEST_F(RetentionTest, OnlyCheckpointsBelowTheStoreAreRemoved) {
  begin(1, 0);
  const fs::path samples = attempt(grant.key) / "samples/step-00000001";
  const fs::path elsewhere = bench.folder / "elsewhere/step-00000002";
  fs::create_directories(samples);
  fs::create_directories(elsewhere);
  fs::create_directory_symlink(bench.folder / "elsewhere", attempt(grant.key) / "checkpoints");
  announce("samples/step-00000001", 1);
  announce("checkpoints/step-00000002", 2);
  announce("checkpoints/other", 3);
  announce("checkpoints", 4);
  announce("checkpoints/step-00000005", 5);
  bench.core->tidy();
  EXPECT_TRUE(fs::exists(samples));
  EXPECT_TRUE(fs::exists(elsewhere));
  bench.core->tidy();
}

}  // namespace
}  // namespace sarsweep::coordinator
