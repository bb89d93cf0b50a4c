#include <gtest/gtest.h>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

class Hold : public testing::Test {
 protected:
  Hold() {
    bench_.sweep.runs = {planned("a"), planned("b"), planned("c"), planned("d")};
    bench_.add_worker();
  }
  void fail_one() { ASSERT_TRUE(bench_.end(bench_.start().key, 77).reply); }
  std::string held() { return bench_.core->sweep("demo")["held"]; }
  bool is_granted() { return !bench_.ask("n" + std::to_string(++nonces_)).grants.empty(); }
  void report_hours(const LeaseKey& key, double hours) {
    bench_.ship(
        key,
        nlohmann::json{{"type", "metrics"}, {"step", 1}, {"values", {{"train/gpu_hours", hours}}}}
                .dump() +
            "\n");
  }

  Bench bench_;
  int nonces_ = 1000;
};

TEST_F(Hold, FailuresHoldTheSweepAndResumeLetsItGoOn) {
  bench_.sweep.max_failures = 2;
  bench_.submit();
  fail_one();
  EXPECT_EQ(held(), "");
  fail_one();
  EXPECT_EQ(held(), "2 runs failed (limits.max_failures: 2)");
  EXPECT_FALSE(is_granted());
  EXPECT_EQ(bench_.run("c")["reason"], "held: " + held());
  bench_.open();
  EXPECT_FALSE(is_granted()) << "a restart changes nothing";

  const nlohmann::json reply =
      bench_.core->apply_verb(bench_.run("c")["id"], Verb::resume, false, "alice");
  EXPECT_EQ(reply["state"], "queued");
  EXPECT_EQ(reply["lifted"], "2 runs failed (limits.max_failures: 2)");
  EXPECT_EQ(held(), "");
  fail_one();
  EXPECT_EQ(held(), "") << "what failed before counts no more";
  EXPECT_TRUE(is_granted());
}

TEST_F(Hold, ARetriedFailureNoLongerCounts) {
  bench_.sweep.max_failures = 2;
  bench_.submit();
  fail_one();
  bench_.verb("a", Verb::retry);
  bench_.verb("a", Verb::cancel);
  fail_one();
  EXPECT_EQ(held(), "");
}

TEST_F(Hold, WhatRunsGoesOn) {
  bench_.sweep.max_failures = 1;
  bench_.submit();
  bench_.add_worker("two", 2);
  const LeaseReply both = bench_.ask("n", {0, 1});
  ASSERT_EQ(both.grants.size(), 2U);
  bench_.core->started(both.grants[1].key);
  ASSERT_TRUE(bench_.end(both.grants[0].key, 77).reply);
  EXPECT_NE(held(), "");
  EXPECT_EQ(bench_.beat(both.grants[1].key), Order::go_on);
  ASSERT_TRUE(bench_.end(both.grants[1].key, 0).reply);
  EXPECT_EQ(bench_.state("b"), "done");
}

TEST_F(Hold, GpuHoursAreAddedOverTheRuns) {
  bench_.sweep.gpu_hours = 3;
  bench_.submit();
  for (const double hours : {1.5, 1.75}) {
    EXPECT_EQ(held(), "");
    const Grant grant = bench_.start();
    report_hours(grant.key, hours);
    ASSERT_TRUE(bench_.end(grant.key, 0).reply);
    bench_.core->tick();
  }
  EXPECT_EQ(held(), "3.25 GPU hours are used (limits.gpu_hours: 3)");
  EXPECT_FALSE(is_granted());
  bench_.verb("c", Verb::resume);
  bench_.core->tick();
  EXPECT_EQ(held(), "") << "as much again";
}

TEST_F(Hold, AFileThatRaisesTheLimitLetsItGoOn) {
  bench_.sweep.max_failures = 1;
  bench_.submit();
  fail_one();
  ASSERT_NE(held(), "");
  bench_.submit();
  EXPECT_NE(held(), "") << "the same file changes nothing";
  bench_.sweep.max_failures = 2;
  bench_.submit();
  EXPECT_EQ(held(), "");
  bench_.sweep.max_failures = 1;
  bench_.submit();
  EXPECT_NE(held(), "") << "one that lowers it is taken at its word";
}

TEST_F(Hold, IsTheFirstReasonThatWhyNames) {
  bench_.sweep.max_failures = 1;
  bench_.submit();
  fail_one();
  const nlohmann::json why = bench_.core->why(bench_.run("b")["id"]);
  EXPECT_EQ(why["reasons"][0]["code"], "held");
  EXPECT_EQ(why["reasons"][0]["cure"], "sarsweep resume @demo");
}

TEST_F(Hold, ASweepWithoutLimitsIsNeverHeld) {
  bench_.submit();
  for (int i = 0; i < 3; ++i) fail_one();
  bench_.core->tick();
  EXPECT_EQ(held(), "");
  EXPECT_TRUE(is_granted());
}

}  // namespace
}  // namespace sarsweep::coordinator
