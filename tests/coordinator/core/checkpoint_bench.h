#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "schema/protocol/run_dir.h"
#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {

// A run `b` that starts from the best checkpoint of the run `a`.
inline PlannedRun child_of_a() {
  PlannedRun child = planned("b");
  child.parent = ParentRef{
      .sweep = "demo", .cell = "a", .seed = 0, .checkpoint = "best", .best = std::nullopt};
  return child;
}

// One run, trained by hand; its checkpoints have folders with a file in them.
class CheckpointBench : public ::testing::Test {
 protected:
  void begin(std::int64_t keep_last, std::int64_t keep_best) {
    PlannedRun run = planned("a");
    run.config = config::RunValues({{"checkpoint.keep_last", keep_last},
                                    {"checkpoint.keep_best", keep_best},
                                    {"resources.retries", 5}});
    bench.sweep.runs.insert(bench.sweep.runs.begin(), run);
    bench.submit();
    bench.add_worker();
    grant = bench.start();
  }
  std::filesystem::path attempt(const LeaseKey& key) const {
    return run_dir::attempt_dir(bench.folder / "store", key.run_id, key.lease_epoch);
  }
  std::filesystem::path folder(const LeaseKey& key, int step) const {
    return attempt(key) / "checkpoints" / run_dir::step_name(step);
  }
  void announce(const std::string& path, int step) {
    bench.ship(grant.key, nlohmann::json{{"type", "checkpoint"},
                                         {"step", step},
                                         {"path", path},
                                         {"manifest_sha256", "m"},
                                         {"bytes", 3}}
                                  .dump() +
                              "\n");
  }
  void save(int step, std::optional<double> loss = std::nullopt) {
    std::filesystem::create_directories(folder(grant.key, step));
    std::ofstream(folder(grant.key, step) / "weights") << "abc";
    if (loss) {
      const nlohmann::json values = {{"val/loss", *loss}};
      bench.ship(
          grant.key,
          nlohmann::json{{"type", "metrics"}, {"step", step}, {"values", values}}.dump() + "\n");
    }
    announce("checkpoints/" + run_dir::step_name(step), step);
  }
  // The attempt fails, the next one begins.
  void fail_and_begin_again() {
    bench.end(grant.key, 1);
    bench.wait(400);
    grant = bench.start();
  }
  std::vector<std::int64_t> offered() const {
    std::vector<std::int64_t> steps;
    for (const nlohmann::json& one : grant.run_json["resume"]) steps.push_back(one["step"]);
    return steps;
  }
  // Steps whose folder exists, of an attempt.
  std::vector<int> there(const LeaseKey& key, const std::vector<int>& steps) const {
    std::vector<int> found;
    for (const int step : steps) {
      if (std::filesystem::exists(folder(key, step))) found.push_back(step);
    }
    return found;
  }

  Bench bench;
  Grant grant;
};

}  // namespace sarsweep::coordinator
