#include <gtest/gtest.h>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

struct Queued {
  Bench bench;
  Queued() {
    bench.sweep.runs = {planned("a")};
    bench.submit();
    bench.add_worker();
  }
};

TEST(Verb, PauseAsksForACheckpointAndResumeQueuesAgain) {
  Queued q;
  const Grant grant = q.bench.start();
  q.bench.verb("a", Verb::pause);
  EXPECT_EQ(q.bench.beat(grant.key), Order::pause);
  ASSERT_TRUE(q.bench.end(grant.key, 143).reply);
  EXPECT_EQ(q.bench.state("a"), "paused");
  EXPECT_TRUE(q.bench.ask("n").grants.empty());
  q.bench.verb("a", Verb::resume);
  EXPECT_EQ(q.bench.start().key.lease_epoch, 2);
}

TEST(Verb, CancelEscalatesToKillAfterItsGrace) {
  Queued q;
  const Grant grant = q.bench.start();
  q.bench.verb("a", Verb::cancel);
  EXPECT_EQ(q.bench.beat(grant.key), Order::cancel);
  for (int i = 0; i < 12; ++i) {
    q.bench.wait(10);
    q.bench.beat(grant.key);
  }
  EXPECT_EQ(q.bench.beat(grant.key), Order::kill);
  ASSERT_TRUE(q.bench.end(grant.key, 0).reply);
  EXPECT_EQ(q.bench.state("a"), "cancelled") << "an acknowledged cancel never ends done";
}

TEST(Verb, KillEndsTheRunAtOnceAndItsLateDataIsWelcome) {
  Queued q;
  const Grant grant = q.bench.start();
  q.bench.verb("a", Verb::kill);
  EXPECT_EQ(q.bench.state("a"), "cancelled");
  EXPECT_EQ(q.bench.beat(grant.key), Order::kill);
  q.bench.ship(grant.key,
               "{\"type\":\"checkpoint\",\"step\":5,\"path\":\"checkpoints/step-00000005\","
               "\"manifest_sha256\":\"m\"}\n");
  ASSERT_TRUE(q.bench.end(grant.key, 0, 9).reply);
  EXPECT_EQ(q.bench.state("a"), "cancelled");
  q.bench.verb("a", Verb::resume);
  const Grant second = q.bench.start();
  EXPECT_EQ(second.run_json["resume"].size(), 1U);
  EXPECT_EQ(q.bench.beat(grant.key), Order::fenced);
}

TEST(Verb, WhatTheTableForbidsIsAConflict) {
  Queued q;
  EXPECT_THROW(q.bench.verb("a", Verb::retry), Error);
  q.bench.verb("a", Verb::resume);
  EXPECT_EQ(q.bench.state("a"), "queued") << "it only lifts a hold of the sweep";
  ASSERT_TRUE(q.bench.end(q.bench.start().key, 0).reply);
  for (const Verb verb : kVerbs) EXPECT_THROW(q.bench.verb("a", verb), Error) << to_string(verb);
}

TEST(Verb, ARefusalSaysWhatIsPossible) {
  Queued q;
  EXPECT_EQ(refusal_of([&] { q.bench.verb("a", Verb::retry); }),
            "a is queued: retry is not possible; possible: pause, cancel, kill");
  ASSERT_TRUE(q.bench.end(q.bench.start().key, 0).reply);
  EXPECT_EQ(refusal_of([&] { q.bench.verb("a", Verb::pause); }),
            "a is done: pause is not possible; it has ended");
}

TEST(Verb, ABackoffEndsAlthoughTheClockIsSetBack) {
  Queued q;
  ASSERT_TRUE(q.bench.end(q.bench.start().key, 1).reply);
  q.bench.clock.advance(5);
  q.bench.clock.set_wall_back(3600);
  q.bench.wait(11);
  EXPECT_EQ(q.bench.state("a"), "queued");
}

TEST(Verb, FailuresBackOffUntilTheBudgetIsSpentAndRetryRestoresIt) {
  Queued q;
  ASSERT_TRUE(q.bench.end(q.bench.start().key, 1).reply);
  EXPECT_EQ(q.bench.state("a"), "backoff");
  q.bench.wait(9);
  EXPECT_EQ(q.bench.state("a"), "backoff");
  q.bench.wait(2);
  ASSERT_TRUE(q.bench.end(q.bench.start().key, 1).reply);
  EXPECT_EQ(q.bench.state("a"), "failed");
  q.bench.verb("a", Verb::retry);
  EXPECT_EQ(q.bench.state("a"), "queued");
  ASSERT_TRUE(q.bench.end(q.bench.start().key, 1).reply);
  EXPECT_EQ(q.bench.state("a"), "backoff");
}

TEST(Verb, APausedChildOfAnUnfinishedParentResumesWaiting) {
  Bench bench;
  PlannedRun child = planned("child");
  child.parent = ParentRef{
      .sweep = "demo", .cell = "base", .seed = 0, .any_seed = false, .checkpoint = "last"};
  bench.sweep.runs = {planned("base"), child};
  bench.submit();
  bench.verb("child", Verb::pause);
  bench.verb("child", Verb::resume);
  EXPECT_EQ(bench.state("child"), "waiting");
}

TEST(Verb, EveryChangeIsWrittenDownWithItsActor) {
  Queued q;
  q.bench.verb("a", Verb::pause);
  const nlohmann::json events = q.bench.core->events(q.bench.run("a")["id"], 0);
  EXPECT_EQ(events.back()["actor"], "alice");
  EXPECT_EQ(events.back()["what"], "paused");
}

}  // namespace
}  // namespace sarsweep::coordinator
