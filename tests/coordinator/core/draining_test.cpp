// A person lets a worker rest, and lifts it again.
#include <gtest/gtest.h>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

struct Drained {
  explicit Drained(int runs = 2) {
    for (int i = 0; i < runs; ++i) bench.sweep.runs.push_back(planned(std::string(1, 'a' + i)));
    bench.submit();
    bench.add_worker();
  }
  json drain(Drain drain) { return bench.core->set_drain(bench.worker, drain, "alice"); }
  json worker() { return bench.core->workers()[0]; }

  Bench bench;
};

TEST(Draining, ADrainedWorkerEndsWhatItHasAndGetsNothingNew) {
  Drained d;
  const Grant grant = d.bench.start();
  const json reply = d.drain(Drain::finish);
  EXPECT_EQ(reply["was"], "none");
  EXPECT_EQ(reply["runs"], json({"demo/a"}));
  EXPECT_EQ(reply["undo"], "sarsweep worker undrain w");
  EXPECT_EQ(d.bench.beat(grant.key), Order::go_on);
  ASSERT_TRUE(d.bench.end(grant.key, 0).reply);
  EXPECT_EQ(d.bench.state("a"), "done");
  const LeaseReply nothing = d.bench.ask("later");
  EXPECT_TRUE(nothing.grants.empty());
  EXPECT_EQ(nothing.drained_by, "alice");
  EXPECT_EQ(d.worker()["drain"], "finish");
  EXPECT_EQ(d.worker()["drained_by"], "alice");
  EXPECT_EQ(d.worker()["draining"], false);
  EXPECT_EQ(d.drain(Drain::none)["undo"], "sarsweep worker drain w");
  EXPECT_TRUE(d.worker()["drained_ms"].is_null());
  EXPECT_EQ(d.bench.start().name, "b");
}

TEST(Draining, AtOnceMeansSavedAndQueuedAgainAtNoCost) {
  Drained d(1);
  const Grant grant = d.bench.start();
  d.bench.ship(grant.key, R"({"type":"checkpoint","step":2,"path":"checkpoints/step-00000002",)"
                          R"("manifest_sha256":"m"})"
                          "\n");
  d.drain(Drain::now);
  EXPECT_EQ(d.bench.beat(grant.key), Order::drain);
  ASSERT_TRUE(d.bench.end(grant.key, 143).reply);
  EXPECT_EQ(d.bench.state("a"), "queued");
  const json attempts = d.bench.core->run(d.bench.run("a")["id"])["attempts"];
  EXPECT_EQ(attempts[0]["end"], "preempted");
  EXPECT_TRUE(d.bench.ask("later").grants.empty());
  d.bench.add_worker("v");
  EXPECT_EQ(d.bench.start().run_json["resume"][0]["step"], 2) << "it goes on elsewhere";
}

TEST(Draining, APersonsOtherWishesStandBeforeIt) {
  Drained d;
  const Grant grant = d.bench.start();
  d.drain(Drain::now);
  d.bench.verb("a", Verb::pause);
  EXPECT_EQ(d.bench.beat(grant.key), Order::pause);
  d.bench.verb("a", Verb::cancel);
  EXPECT_EQ(d.bench.beat(grant.key), Order::cancel);
}

TEST(Draining, OutlivesTheWorkersAndTheCoordinatorsProcesses) {
  Drained d;
  d.drain(Drain::finish);
  d.bench.open();
  d.bench.core->register_worker({"w", "w-2", "h", 1, {{0, "cpu"}}});
  d.bench.incarnation = "w-2";
  EXPECT_TRUE(d.bench.ask("n").grants.empty());
  d.bench.core->leave(d.bench.worker, "w-2");
  d.bench.core->register_worker({"w", "w-3", "h", 1, {{0, "cpu"}}});
  d.bench.incarnation = "w-3";
  EXPECT_TRUE(d.bench.ask("m").grants.empty());
  EXPECT_EQ(d.worker()["drain"], "finish");
  d.drain(Drain::none);
  EXPECT_EQ(d.bench.ask("o").grants.size(), 1U);
}

TEST(Draining, WhyNamesThePersonAndTheCure) {
  Drained d;
  d.drain(Drain::finish);
  const json reasons = d.bench.core->why(d.bench.run("a")["id"])["reasons"];
  EXPECT_EQ(reasons[0]["code"], "drained");
  EXPECT_EQ(reasons[0]["message"], "worker w takes no new runs: alice drained it");
  EXPECT_EQ(reasons[0]["cure"], "sarsweep worker undrain w");
}

TEST(Draining, TheSameAgainChangesNothingAndStrangersAreNotFound) {
  Drained d;
  d.drain(Drain::finish);
  EXPECT_TRUE(d.drain(Drain::finish)["undo"].is_null());
  EXPECT_EQ(d.drain(Drain::now)["undo"], "sarsweep worker drain w");
  EXPECT_THROW(d.bench.core->set_drain("nobody", Drain::now, "alice"), Error);
}

}  // namespace
}  // namespace sarsweep::coordinator
