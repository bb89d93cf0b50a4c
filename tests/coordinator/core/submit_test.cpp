#include <gtest/gtest.h>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

ParentRef parent_of(const std::string& cell, const std::string& sweep = "demo") {
  ParentRef parent;
  parent.sweep = sweep;
  parent.cell = cell;
  parent.checkpoint = "last";
  return parent;
}

PlannedRun child_of(const std::string& parent, const std::string& name = "child") {
  PlannedRun run = planned(name);
  run.parent = parent_of(parent);
  return run;
}

void finish_one(Bench& bench) {
  const Grant grant = bench.start();
  bench.ship(grant.key,
             "{\"type\":\"checkpoint\",\"step\":5,\"path\":\"checkpoints/step-00000005\","
             "\"manifest_sha256\":\"m\"}\n");
  if (!bench.end(grant.key, 0).reply) throw Error(ErrorCode::internal, "finish was refused");
}

TEST(Submit, AnIdenticalFileChangesNothing) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  const json first = bench.submit();
  EXPECT_EQ(first["created"], 2);
  const json second = bench.submit();
  EXPECT_EQ(second["created"], 0);
  EXPECT_EQ(second["kept"], 2);
  EXPECT_EQ(
      bench.core->runs({.sweep = "demo", .study = "", .state = "", .selector = "", .after = ""})
          .size(),
      2U);
}

TEST(Submit, AnIdenticalFileLeavesNoTraceInARunsHistory) {
  Bench bench;
  bench.sweep.runs = {planned("base"), child_of("base"), planned("waits")};
  bench.sweep.runs[2].parent = parent_of("child");
  bench.submit();
  bench.add_worker();
  finish_one(bench);
  const auto history = [&](const std::string& name) {
    return bench.core->run(bench.run(name)["id"])["events"];
  };
  const json before = {history("base"), history("child"), history("waits")};
  bench.submit();
  EXPECT_EQ(json({history("base"), history("child"), history("waits")}), before);
  EXPECT_EQ(bench.state("child"), "queued");
}

TEST(Submit, ExecChangesReachWhatHasNotStartedAndMoveNothing) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.sweep.runs[0].config.set("resources.priority", config::Value("high"));
  EXPECT_EQ(bench.submit()["kept"], 1);
  EXPECT_EQ(bench.core->queue()[0]["priority"], "high");
  EXPECT_EQ(bench.state("a"), "queued");
}

TEST(Submit, AKeyIsAnsweredOnceAndBelongsToOneFile) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  const json first = bench.submit("key");
  EXPECT_EQ(bench.submit("key"), first);
  EXPECT_THROW(bench.submit("key", true), Error);
}

TEST(Submit, WithdrawsNothingUnasked) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.submit();
  bench.sweep.runs = {planned("a")};
  json problems;
  EXPECT_NE(refusal_of([&] { bench.core->submit({}, "", "alice", &problems); }), "");
  EXPECT_EQ(problems, json({{"withdraws", {"b"}}}));
  EXPECT_EQ(bench.state("b"), "queued");
}

TEST(Submit, WhatAllRunsHoldAlikeIsStoredOnceAndReadWhole) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.sweep.runs[1].config.set("unet.rank", config::Value(4));
  bench.sweep.runs[0].origins = config::Value(nlohmann::json{{"data.path", "f:1"}});
  bench.sweep.runs[1].origins =
      config::Value(nlohmann::json{{"data.path", "f:1"}, {"unet.rank", "f:9"}});
  bench.submit();
  const auto detail = [&](const std::string& name) {
    return bench.core->run(bench.run(name)["id"]);
  };
  EXPECT_EQ(detail("a")["config"], bench.sweep.runs[0].config.flat());
  EXPECT_EQ(detail("b")["config"], bench.sweep.runs[1].config.flat());
  EXPECT_EQ(detail("b")["origins"], bench.sweep.runs[1].origins.json());
  bench.sweep.runs[0].config.set("data.path", config::Value("other"));
  bench.submit();
  EXPECT_EQ(detail("a")["config"]["data.path"], "other") << "it had not started";
  EXPECT_EQ(detail("b")["config"], bench.sweep.runs[1].config.flat());
}

TEST(Submit, RunsThatLeftTheFileUnstartedAreWithdrawnAndMayReturn) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.submit();
  bench.sweep.runs = {planned("a")};
  EXPECT_EQ(bench.core->plan({})["counts"]["withdrawn"], 1);
  EXPECT_EQ(bench.submit()["withdrawn"], 1);
  EXPECT_EQ(bench.run("b")["state"], "cancelled");
  EXPECT_EQ(bench.run("b")["reason"], "withdrawn");
  EXPECT_EQ(bench.submit()["withdrawn"], 0);
  bench.sweep.runs = {planned("a"), planned("b")};
  EXPECT_EQ(bench.submit()["created"], 1);
  EXPECT_EQ(bench.state("b"), "queued");
}

TEST(Submit, AStartedRunIsNeverAltered) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.submit();
  bench.add_worker();
  bench.start();
  bench.sweep.runs[0].run_hash = "changed";
  bench.sweep.runs[1].run_hash = "changed too";
  json problems;
  try {
    bench.core->submit({}, "", "alice", &problems);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
  }
  ASSERT_EQ(problems["diagnostics"].size(), 1U);
  EXPECT_EQ(problems["diagnostics"][0]["code"], "changed_run");
  bench.sweep.runs[0] = planned("a");
  EXPECT_EQ(bench.submit()["kept"], 1);
}

TEST(Submit, AFinishedEqualRunIsReused) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  finish_one(bench);
  PlannedRun twin = planned("twin");
  twin.run_hash = bench.sweep.runs[0].run_hash;
  bench.sweep.runs.push_back(twin);
  PlannedRun moved = twin;
  moved.name = moved.cell = "moved";
  moved.path_bases = config::Value(nlohmann::json{{"data.path", "/elsewhere"}});
  bench.sweep.runs.push_back(moved);
  const json reply = bench.submit();
  EXPECT_EQ(reply["cached"], 1);
  EXPECT_EQ(bench.state("twin"), "done");
  EXPECT_EQ(bench.run("twin")["source_run"], bench.run("a")["id"]);
  EXPECT_EQ(bench.state("moved"), "queued") << "other data under the same written path";
}

TEST(Submit, RerunTrainsInsteadOfReusing) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  finish_one(bench);
  bench.sweep.name = "other";
  EXPECT_EQ(bench.submit("", true)["cached"], 0);
}

TEST(Submit, AnAliasShowsItsTargetAndIsNeverGranted) {
  Bench bench;
  PlannedRun alias = planned("b");
  alias.alias_of = "a";
  bench.sweep.runs = {planned("a"), alias};
  bench.submit();
  bench.add_worker("w", 2);
  EXPECT_EQ(bench.ask("n", {0, 1}).grants.size(), 1U);
  EXPECT_EQ(bench.run("b")["alias_of"], "a");
  EXPECT_EQ(bench.state("b"), "leased");
  bench.verb("b", Verb::cancel);
  EXPECT_EQ(bench.state("a"), "cancelling");
}

TEST(Submit, AChildWaitsForItsParentAndStartsFromItsCheckpoint) {
  Bench bench;
  const PlannedRun child = child_of("base");
  bench.sweep.runs = {child, planned("base")};
  bench.submit();
  bench.add_worker();
  EXPECT_EQ(bench.state("child"), "waiting");
  const Grant base = bench.start();
  ASSERT_EQ(base.name, "base");
  bench.ship(base.key,
             "{\"type\":\"checkpoint\",\"step\":5,\"path\":\"checkpoints/step-00000005\","
             "\"manifest_sha256\":\"m\"}\n");
  ASSERT_TRUE(bench.end(base.key, 0).reply);
  EXPECT_EQ(bench.state("child"), "queued");
  const Grant grant = bench.start();
  EXPECT_EQ(
      grant.run_json["config"]["model"]["path"],
      (bench.folder / "store/runs" / base.key.run_id / "e1/checkpoints/step-00000005").string());
}

TEST(Submit, AnUnstartedRunFollowsTheFileToAnotherParentOrNone) {
  Bench bench;
  const PlannedRun child = child_of("base");
  bench.sweep.runs = {planned("base"), child};
  bench.submit();
  ASSERT_EQ(bench.state("child"), "waiting");
  bench.sweep.runs = {planned("base"), planned("child")};
  bench.submit();
  EXPECT_EQ(bench.state("child"), "queued") << "it has no parent any more";
  bench.sweep.runs = {planned("base"), child};
  bench.submit();
  EXPECT_EQ(bench.state("child"), "waiting") << "it has a parent again";
  bench.verb("base", Verb::cancel);
  ASSERT_EQ(bench.state("child"), "blocked");
  bench.sweep.runs = {planned("base"), planned("child")};
  bench.submit();
  EXPECT_EQ(bench.state("child"), "queued") << "what its parent did is nothing to it";
}

TEST(Submit, AChildIsBlockedWhileItsParentCannotFinish) {
  Bench bench;
  const PlannedRun child = child_of("base"), grandchild = child_of("child", "grandchild");
  bench.sweep.runs = {planned("base"), child, grandchild};
  bench.submit();
  bench.verb("base", Verb::cancel);
  EXPECT_EQ(bench.state("child"), "blocked");
  EXPECT_EQ(bench.state("grandchild"), "blocked");
  bench.verb("base", Verb::resume);
  EXPECT_EQ(bench.state("child"), "waiting");
  EXPECT_EQ(bench.state("grandchild"), "waiting");
}

TEST(Submit, AParentInAnotherSweepIsFoundOrNamedAsMissing) {
  Bench bench;
  bench.sweep.runs = {planned("base", 3)};
  bench.submit();
  bench.sweep.name = "second";
  PlannedRun child = child_of("base");
  child.parent->any_seed = true;
  bench.sweep.runs = {child};
  EXPECT_EQ(bench.core->plan({})["runs"][0]["parent"], "demo/base");
  bench.sweep.runs[0].parent->cell = "nobody";
  EXPECT_EQ(bench.core->plan({})["diagnostics"][0]["code"], "unknown_parent");
  EXPECT_THROW(bench.submit(), Error);
}

TEST(Submit, AParentWithoutACheckpointFailsItsChildWithTheReason) {
  Bench bench;
  const PlannedRun child = child_of("base");
  bench.sweep.runs = {planned("base"), child};
  bench.submit();
  bench.add_worker();
  ASSERT_TRUE(bench.end(bench.start().key, 0).reply);
  EXPECT_TRUE(bench.ask("n").grants.empty());
  EXPECT_EQ(bench.state("child"), "failed");
  EXPECT_NE(bench.run("child")["reason"].get<std::string>().find("no checkpoint"),
            std::string::npos);
}

}  // namespace
}  // namespace sarsweep::coordinator
