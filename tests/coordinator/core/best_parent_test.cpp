#include <gtest/gtest.h>

#include <cmath>

#include "coordinator/core/families.h"
#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

PlannedRun of_study(const std::string& cell, std::int64_t seed) {
  PlannedRun run = planned(cell + "-s" + std::to_string(seed), seed);
  run.cell = cell;
  run.cell_hash = "cell-" + cell;
  run.study = "first";
  return run;
}

PlannedRun child_of_best(std::int64_t index, std::int64_t seed, bool per_seed = true) {
  PlannedRun run =
      planned("child-p" + std::to_string(index + 1) + "-s" + std::to_string(seed), seed);
  run.study = "second";
  run.parent = ParentRef{.sweep = "demo",
                         .cell = "",
                         .seed = seed,
                         .checkpoint = "last",
                         .best = sweep::BestRef{"first", "val/loss", index, per_seed}};
  return run;
}

json metrics_line(std::int64_t step, double loss) {
  const json value = std::isfinite(loss) ? json(loss) : json("nan");
  return {{"type", "metrics"}, {"step", step}, {"values", {{"val/loss", value}}}};
}

json checkpoint_line(std::int64_t step) {
  return {{"type", "checkpoint"},
          {"step", step},
          {"path", fmt::format("checkpoints/step-{:08}", step)},
          {"manifest_sha256", "m"}};
}

struct Studies {
  Studies() {
    for (const std::string cell : {"a", "b", "c"}) {
      for (const std::int64_t seed : {0, 1}) bench.sweep.runs.push_back(of_study(cell, seed));
    }
    bench.add_worker();
  }
  // Finishes the next run with these losses at steps 10, 20, …, all of them at checkpoints.
  void finish(const std::vector<double>& losses) {
    const Grant grant = bench.start();
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const auto step = static_cast<std::int64_t>(10 * (i + 1));
      bench.ship(grant.key,
                 metrics_line(step, losses[i]).dump() + "\n" + checkpoint_line(step).dump() + "\n");
    }
    if (!bench.end(grant.key, 0).reply) throw Error(ErrorCode::internal, "finish was refused");
  }
  void finish_all(const std::vector<double>& losses) {
    for (const double loss : losses) finish({loss});
  }
  std::string parent_of(const std::string& name) {
    const json parent = bench.core->run(bench.run(name)["id"])["lineage"]["parent"];
    return parent.is_null() ? "" : parent["name"].get<std::string>();
  }
  json why(const std::string& name) { return bench.core->why(bench.run(name)["id"]); }

  Bench bench;
};

TEST(BestParent, IsChosenByTheMeanOverTheSeedsOnceTheStudyHasEnded) {
  Studies s;
  for (const std::int64_t index : {0, 1}) s.bench.sweep.runs.push_back(child_of_best(index, 1));
  s.bench.submit();
  s.finish_all({0.1, 0.9, 0.3, 0.4, 0.6});  // b has the best mean, a the best single run
  EXPECT_EQ(s.bench.state("child-p1-s1"), "waiting");
  s.finish_all({0.8});
  EXPECT_EQ(s.bench.state("child-p1-s1"), "queued");
  EXPECT_EQ(s.parent_of("child-p1-s1"), "b-s1");
  EXPECT_EQ(s.parent_of("child-p2-s1"), "a-s1");
  const Grant grant = s.bench.take();
  const std::string start = grant.run_json["config"]["model"]["path"];
  EXPECT_NE(start.find("step-00000010"), std::string::npos) << start;
}

TEST(BestParent, WithoutPerSeedIsTheCellsBestRun) {
  Studies s;
  s.bench.sweep.runs.push_back(child_of_best(0, 7, false));
  s.bench.submit();
  s.finish_all({0.5, 0.5, 0.1, 0.6, 0.9, 0.9});
  EXPECT_EQ(s.parent_of("child-p1-s7"), "b-s0");
}

TEST(BestParent, CountsTheValueAtTheCheckpointTheChildWouldTake) {
  Studies s;
  PlannedRun last = child_of_best(0, 0);
  PlannedRun best = child_of_best(0, 0);
  best.name = best.cell = "keen";
  best.parent->checkpoint = "best";
  s.bench.sweep.runs.push_back(last);
  s.bench.sweep.runs.push_back(best);
  s.bench.submit();
  for (int seed = 0; seed < 2; ++seed) s.finish({0.1, 0.7});
  for (int seed = 0; seed < 2; ++seed) s.finish({0.3, 0.4});
  for (int seed = 0; seed < 2; ++seed) s.finish({0.9, 0.9});
  EXPECT_EQ(s.parent_of("child-p1-s0"), "b-s0");
  EXPECT_EQ(s.parent_of("keen"), "a-s0");
}

TEST(BestParent, RunsThatFailedOrMeasuredNothingDoNotTakePart) {
  Studies s;
  s.bench.sweep.runs.push_back(child_of_best(0, 1));
  s.bench.sweep.runs.push_back(child_of_best(1, 1));
  s.bench.submit();
  s.finish_all({NAN, NAN, 0.5});
  s.bench.verb("b-s1", Verb::cancel);
  s.finish_all({0.6, 0.7});
  EXPECT_EQ(s.bench.state("child-p1-s1"), "blocked") << "b has no finished seed 1";
  EXPECT_EQ(s.bench.run("child-p1-s1")["reason"], "its parent b has no finished seed 1");
  EXPECT_EQ(s.parent_of("child-p2-s1"), "c-s1");
}

TEST(BestParent, TooFewFinishedCellsBlockUntilOneReturns) {
  Studies s;
  s.bench.sweep.runs.push_back(child_of_best(2, 0));
  s.bench.submit();
  s.finish_all({0.1, 0.1, 0.2, 0.2});
  s.bench.verb("c-s0", Verb::cancel);
  s.bench.verb("c-s1", Verb::cancel);
  EXPECT_EQ(s.bench.state("child-p3-s0"), "blocked");
  EXPECT_EQ(s.why("child-p3-s0")["reasons"][0]["message"],
            "it starts from number 3 of the study first, which has 2 finished cells with val/loss");
  s.bench.verb("c-s0", Verb::resume);
  EXPECT_EQ(s.bench.state("child-p3-s0"), "waiting");
  EXPECT_EQ(s.why("child-p3-s0")["reasons"][0]["message"],
            "it starts from the best of the study first, of which 1 run has to end");
  s.finish_all({0.3});
  EXPECT_EQ(s.parent_of("child-p3-s0"), "c-s0");
}

TEST(BestParent, OnceChosenStays) {
  Studies s;
  s.bench.sweep.runs.push_back(child_of_best(0, 0));
  s.bench.submit();
  s.finish_all({0.5, 0.5, 0.2, 0.2, 0.7, 0.7});
  ASSERT_EQ(s.parent_of("child-p1-s0"), "b-s0");
  PlannedRun late = of_study("d", 0);  // The study grows, and the newcomer is better.
  s.bench.sweep.runs.push_back(late);
  const json reply = s.bench.submit();
  EXPECT_EQ(reply["kept"], 7);
  EXPECT_EQ(s.parent_of("child-p1-s0"), "b-s0");
  EXPECT_EQ(s.bench.state("child-p1-s0"), "queued");
}

TEST(BestParent, AChangedWayOfChoosingAppliesToWhatHasNotStarted) {
  Studies s;
  s.bench.sweep.runs.push_back(child_of_best(0, 0));
  s.bench.submit();
  s.finish_all({0.5, 0.5, 0.2, 0.2, 0.7, 0.7});
  s.bench.sweep.runs.back().parent->best->index = 1;
  s.bench.submit();
  EXPECT_EQ(s.parent_of("child-p1-s0"), "a-s0");
  s.finish_all({0.1});
  s.bench.sweep.runs.back().parent->best->index = 2;
  EXPECT_NE(refusal_of([&] { s.bench.submit(); }), "") << "it has started and is never altered";
}

TEST(BestParent, PlanNamesTheRank) {
  Studies s;
  s.bench.sweep.runs.push_back(child_of_best(1, 0));
  const json plan = s.bench.core->plan({});
  EXPECT_EQ(plan["runs"].back()["parent"], "first#2");
}

}  // namespace
}  // namespace sarsweep::coordinator
