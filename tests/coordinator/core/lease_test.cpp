#include <gtest/gtest.h>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::unreachable;
}

TEST(Lease, GrantsEachRunOnce) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.submit();
  bench.add_worker("w", 4);
  const LeaseReply reply = bench.ask("n", {0, 1, 2, 3});
  ASSERT_EQ(reply.grants.size(), 2U);
  EXPECT_EQ(reply.grants[0].name, "a");
  EXPECT_EQ(reply.grants[1].slots, std::vector<int>{1});
  EXPECT_TRUE(bench.ask("m", {2, 3}).grants.empty());
}

TEST(Lease, TheSameNonceGetsTheSameAnswer) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.submit();
  bench.add_worker();
  const LeaseReply first = bench.ask("n");
  const LeaseReply again = bench.ask("n");
  ASSERT_EQ(again.grants.size(), 1U);
  EXPECT_EQ(nlohmann::json(first), nlohmann::json(again));
  EXPECT_TRUE(bench.ask("other").grants.empty()) << "slot 0 is held until its lease runs out";
}

TEST(Lease, RunJsonIsCompleteAndItsPathsAreAbsolute) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  const nlohmann::json document = bench.take().run_json;
  EXPECT_EQ(document["config"]["data"]["path"], "/base/data");
  EXPECT_EQ(document["protocol"]["hash"], "p");
  EXPECT_EQ(document["resume"], nlohmann::json::array());
  EXPECT_EQ(document["lease_epoch"], 1);
  EXPECT_EQ(document["cache_dir"], (bench.folder / "cache").string());
}

TEST(Lease, AnExpiredLeaseIsGrantedAgainAndTheOldOneIsFenced) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  const Grant old = bench.start();
  bench.wait(39.9);
  EXPECT_EQ(bench.state("a"), "running");
  bench.wait(0.2);
  EXPECT_EQ(bench.state("a"), "queued");
  const Grant fresh = bench.take();
  EXPECT_EQ(fresh.key.lease_epoch, 2);
  EXPECT_EQ(bench.beat(old.key), Order::fenced);
  EXPECT_EQ(code_of([&] { bench.core->append_events(old.key, 0, "{}\n"); }), ErrorCode::fenced);
  EXPECT_EQ(code_of([&] { bench.end(old.key, 0); }), ErrorCode::fenced);
  EXPECT_EQ(bench.beat(fresh.key), Order::go_on);
}

// A run "a" whose lease has run out, and that nobody has been granted since.
struct Lost {
  Bench bench;
  Grant grant;
  Lost() {
    bench.sweep.runs = {planned("a")};
    bench.submit();
    bench.add_worker();
    grant = bench.start();
    bench.wait(41);
  }
};

TEST(Lease, AnExpiredLeaseThatNobodyTookContinues) {
  Lost lost;
  ASSERT_EQ(lost.bench.state("a"), "queued");
  EXPECT_EQ(lost.bench.beat(lost.grant.key), Order::go_on);
  EXPECT_EQ(lost.bench.state("a"), "running");
  ASSERT_TRUE(lost.bench.end(lost.grant.key, 0).reply);
  EXPECT_EQ(lost.bench.state("a"), "done");
}

TEST(Lease, AnExpiredLeaseWhoseSlotIsTakenIsFenced) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.sweep.runs[1].config.set("resources.priority", config::Value("high"));
  bench.submit();
  bench.verb("b", Verb::pause);
  bench.add_worker();
  const Grant lost = bench.start();
  ASSERT_EQ(lost.name, "a");
  bench.wait(41);
  bench.verb("b", Verb::resume);
  const Grant other = bench.start();
  ASSERT_EQ(other.name, "b");
  EXPECT_EQ(bench.beat(lost.key), Order::fenced);
  EXPECT_EQ(bench.state("a"), "queued");
  EXPECT_EQ(bench.beat(other.key), Order::go_on);
}

TEST(Lease, AnExpiredLeaseIsOverOnceAPersonTookTheRunBack) {
  Lost lost;
  ASSERT_EQ(lost.bench.state("a"), "queued");
  lost.bench.verb("a", Verb::cancel);
  lost.bench.verb("a", Verb::retry, true);
  EXPECT_EQ(lost.bench.beat(lost.grant.key), Order::fenced);
  const Grant fresh = lost.bench.start();
  EXPECT_EQ(fresh.key.lease_epoch, 2);
  EXPECT_TRUE(fresh.run_json["resume"].empty());
}

TEST(Lease, AForgedOrForeignTokenIsFenced) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  LeaseKey key = bench.start().key;
  key.grant_token.back() = key.grant_token.back() == '0' ? '1' : '0';
  EXPECT_EQ(code_of([&] { bench.core->started(key); }), ErrorCode::fenced);
}

TEST(Lease, ARestartGivesEveryLeaseItsGraceAndKeepsTheTokens) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  const Grant grant = bench.start();
  bench.open();
  bench.wait(59);
  EXPECT_EQ(bench.state("a"), "running");
  EXPECT_EQ(bench.beat(grant.key), Order::go_on);
  bench.open();
  bench.wait(61);
  EXPECT_EQ(bench.state("a"), "queued");
}

// As under SIGSTOP: the worker beat in vain.
TEST(Lease, WhatTheCoordinatorMissedWhileItStoodStillCostsNoLease) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  const Grant grant = bench.start();
  bench.wait(30);
  bench.clock.advance(600);
  bench.core->tick();
  EXPECT_EQ(bench.state("a"), "running");
  bench.wait(59);
  EXPECT_EQ(bench.state("a"), "running") << "no less than after a restart";
  EXPECT_EQ(bench.beat(grant.key), Order::go_on);
  bench.wait(41);
  EXPECT_EQ(bench.state("a"), "queued") << "from then on it is as always";
}

TEST(Lease, AWorkerThatDiedBeforeTheCoordinatorStoodStillIsLostAfterTheGrace) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  bench.start();
  bench.clock.advance(600);
  bench.wait(62);
  EXPECT_EQ(bench.state("a"), "queued");
}

TEST(Lease, ASlowRoundIsNoAbsence) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  bench.start();
  for (int round = 0; round < 5; ++round) {
    bench.clock.advance(9);
    bench.core->tick();
  }
  EXPECT_EQ(bench.state("a"), "queued");
}

TEST(Lease, ASecondCoordinatorOfOneHomeIsRefused) {
  Bench bench;
  EXPECT_EQ(code_of([&] {
              Coordinator(CoordinatorOptions{.home = bench.folder, .store = {}}, bench.clock,
                          SweepLanguage{});
            }),
            ErrorCode::conflict);
}

TEST(Lease, ARunThatDidNotFitIsGrantedWithHalfTheMicroBatch) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  const std::string end = R"({"type":"end","exit_code":76,"reason":"r","step":0,"micro_batch":4})";
  for (int halvings = 0; halvings < 3; ++halvings) {
    const Grant grant = bench.start();
    EXPECT_EQ(grant.run_json["micro_halvings"], halvings);
    bench.ship(grant.key, end + "\n");
    bench.end(grant.key, 76);
  }
  EXPECT_EQ(bench.run("a")["reason"], "out of memory with 4 images a pass; it goes on with 2");
  bench.verb("a", Verb::kill);
  bench.verb("a", Verb::retry);
  EXPECT_EQ(bench.take().run_json["micro_halvings"], 3) << "what was learnt is kept";
  bench.verb("a", Verb::kill);
  bench.verb("a", Verb::retry, true);
  EXPECT_EQ(bench.take().run_json["micro_halvings"], 0);
}

TEST(Lease, ADrainingWorkerGetsNothing) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  bench.add_worker();
  bench.core->heartbeat({bench.worker, bench.incarnation, true, {}});
  EXPECT_TRUE(bench.ask("n").grants.empty());
}

TEST(Lease, AStartedAgainWorkerSupersedesItsOldProcess) {
  Bench bench;
  bench.add_worker();
  const std::string id = bench.worker;
  RegisterRequest again{
      .name = "w", .incarnation = "w-2", .host = "h", .threads = 1, .slots = {{0, "cpu"}}};
  EXPECT_EQ(bench.core->register_worker(again).worker_id, id);
  EXPECT_EQ(code_of([&] { bench.ask("n"); }), ErrorCode::conflict);
  again.host = "elsewhere";
  EXPECT_EQ(code_of([&] { bench.core->register_worker(again); }), ErrorCode::conflict);
}

}  // namespace
}  // namespace sarsweep::coordinator
