#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/coordinator/core/checkpoint_bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr const char* kSweep = R"(version: 1
sweep: demo
base:
  model.path: models/tiny
  data: {path: data/mini, resolution: 64}
  unet: {mode: lora, rank: 4}
  train: {steps: 300, global_batch: 4}
  checkpoint: {keep_last: 1, keep_best: 0}
runs:
  a: {}
)";

// A run of the shipped language, trained by hand.
class Offspring : public CheckpointBench {
 protected:
  Offspring() {
    bench.shipped = true;
    bench.open();
  }
  void begin_sweep(const std::string& text = kSweep) {
    bench.submit_text(text);
    bench.add_worker();
    grant = bench.start();
  }
  void finish(int steps = 300) {
    bench.ship(grant.key,
               json{{"type", "progress"}, {"step", steps}, {"total_steps", steps}}.dump() + "\n");
    save(steps);
    bench.end(grant.key, 0);
  }
  json fork(const ForkRequest& request) {
    return bench.core->fork(bench.run("a")["id"], request, "alice", &problems);
  }
  json extend(std::int64_t steps) {
    return bench.core->extend(bench.run("a")["id"], steps, "alice");
  }
  json detail(const std::string& name) { return bench.core->run(bench.run(name)["id"]); }

  json problems;
};

TEST_F(Offspring, AForkStartsFromTheNewestCheckpointWhileItsParentGoesOn) {
  begin_sweep();
  const LeaseKey parent = grant.key;
  save(100);
  ForkRequest request;
  request.set = {"unet.lr=1e-5", "train.steps=20"};
  request.cwd = "/here";
  const json made = fork(request);
  EXPECT_EQ(made["name"], "a-fork");
  EXPECT_EQ(made["checkpoint_step"], 100);
  save(200);  // keep_last 1: the parent itself needs 100 no longer
  bench.core->tidy();
  EXPECT_EQ(there(parent, {100, 200}), (std::vector{100, 200}));
  bench.add_worker("v");
  const Grant child = bench.start();
  EXPECT_EQ(child.name, "a-fork");
  const json& config = child.run_json["config"];
  EXPECT_EQ(config["model"]["path"], folder(parent, 100).string());
  EXPECT_EQ(config["unet"]["lr"], 1e-5);
  EXPECT_EQ(config["unet"]["rank"], 4);
  EXPECT_EQ(config["train"]["steps"], 20);
  EXPECT_EQ(config["data"]["path"], "/there/data/mini");
  EXPECT_EQ(bench.state("a"), "running");
  const json fork = detail("a-fork");
  EXPECT_EQ(fork["origins"]["unet.lr"], "--set");
  EXPECT_EQ(fork["origins"]["unet.rank"], detail("a")["origins"]["unet.rank"]);
  EXPECT_EQ(fork["lineage"]["parent"]["name"], "a");
  EXPECT_EQ(fork["label"], "lr1e-5 s20");
}

TEST_F(Offspring, AForkMayTakeAnEarlierCheckpointAndAPathOfItsOwn) {
  begin_sweep(
      std::string(kSweep).replace(std::string(kSweep).find("keep_last: 1"), 12, "keep_last: 3"));
  const LeaseKey parent = grant.key;
  for (const int step : {100, 200, 300}) save(step);
  ForkRequest request;
  request.set = {"data.path=other"};
  request.cwd = "/here";
  request.step = 200;
  request.name = "keen";
  EXPECT_EQ(fork(request)["name"], "keen");
  EXPECT_NE(refusal_of([&] { fork(request); }).find("demo has a run 'keen'"), std::string::npos);
  request.name.clear();
  request.step = 250;
  EXPECT_EQ(refusal_of([&] { fork(request); }),
            "a has no checkpoint at step 250; it has: 300 200 100");
  bench.end(grant.key, 0);
  grant = bench.start();
  EXPECT_EQ(grant.run_json["config"]["model"]["path"], folder(parent, 200).string());
  EXPECT_EQ(grant.run_json["config"]["data"]["path"], "/here/other");
}

TEST_F(Offspring, AForkThatNoFileCouldSayIsRefusedInTheSameWords) {
  begin_sweep();
  EXPECT_EQ(refusal_of([&] { fork({}); }), "a has saved no checkpoint yet; fork it once it has");
  save(100);
  ForkRequest request;
  request.set = {"unet.rnak=8"};
  EXPECT_NE(refusal_of([&] { fork(request); }).find("unknown field 'unet.rnak'"),
            std::string::npos);
  EXPECT_EQ(problems["diagnostics"].size(), 1U);
  request.set = {};
  request.name = "No Name";
  EXPECT_FALSE(refusal_of([&] { fork(request); }).empty());
  EXPECT_EQ(bench.core->runs({}).size(), 1U);
}

TEST_F(Offspring, ALaterSubmitLeavesAForkAlone) {
  begin_sweep();
  save(100);
  fork({});
  fork({});
  EXPECT_EQ(bench.submit_text(kSweep)["withdrawn"], 0);
  EXPECT_EQ(bench.state("a-fork"), "queued");
  EXPECT_EQ(bench.state("a-fork-2"), "queued");
  EXPECT_NE(
      refusal_of([&] { bench.submit_text(std::string(kSweep) + "  a-fork: {unet.rank: 8}\n"); }),
      "");
}

TEST_F(Offspring, APausedForkGoesOnThoughItsParentHasNotEnded) {
  begin_sweep();
  save(100);
  fork({});
  bench.verb("a-fork", Verb::pause);
  bench.verb("a-fork", Verb::resume);
  EXPECT_EQ(bench.state("a-fork"), "queued");
}

TEST_F(Offspring, ADoneRunTrainsOnUnderAHashOfItsOwn) {
  begin_sweep();
  finish();
  EXPECT_EQ(extend(200)["total_steps"], 500);
  EXPECT_EQ(bench.state("a"), "queued");
  grant = bench.start();
  EXPECT_EQ(grant.run_json["config"]["train"]["steps"], 500);
  EXPECT_EQ(grant.run_json["config"]["unet"]["rank"], 4);
  EXPECT_EQ(offered(), (std::vector<std::int64_t>{300}));
  EXPECT_EQ(detail("a")["origins"]["train.steps"], "extend");
  EXPECT_EQ(detail("a")["lineage"]["generation"], 2);
  EXPECT_EQ(bench.submit_text(kSweep)["kept"], 1) << "the file still means this run";
  finish(500);
  EXPECT_EQ(extend(100)["total_steps"], 600);
  EXPECT_EQ(bench.submit_text(kSweep)["kept"], 1);
}

TEST_F(Offspring, WhatWouldNotBeTheSameAsALongerRunIsNotExtended) {
  begin_sweep();
  EXPECT_EQ(refusal_of([&] { extend(10); }), "a is running: extend takes a run that is done");
  bench.verb("a", Verb::kill);
  std::string text = kSweep;
  text.replace(text.find("sweep: demo"), 11, "sweep: other");
  bench.submit_text(text.replace(text.find("steps: 300"), 10, "schedule: cosine, steps: 300"));
  grant = bench.start();
  finish();
  const std::string id = bench.core->runs({.sweep = "other"})[0]["id"];
  const std::string why = refusal_of([&] { bench.core->extend(id, 10, "alice"); });
  EXPECT_NE(why.find("train.schedule is cosine, which has come to its end"), std::string::npos);
  EXPECT_NE(why.find("sarsweep fork other/a"), std::string::npos);
}

TEST_F(Offspring, ARunWhoseResultsAreAnothersTooIsNotExtended) {
  begin_sweep();
  finish();
  std::string text = kSweep;
  bench.submit_text(text.replace(text.find("sweep: demo"), 11, "sweep: other"));
  EXPECT_EQ(bench.core->runs({.sweep = "other"})[0]["state"], "done") << "cached";
  EXPECT_NE(refusal_of([&] { extend(10); }).find("its results are those of other/a as well"),
            std::string::npos);
}

}  // namespace
}  // namespace sarsweep::coordinator
