#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "tests/support/referee.h"
#include "tests/support/trainer_process.h"

// What tests of `sarsweep-trainer train` share: a tiny model, a few pictures, and a look into the
// events.
namespace sarsweep::tests {

namespace fs = std::filesystem;
using nlohmann::json;

inline constexpr int kUpdates = 12;

inline std::string trainer() { return std::string(SARSWEEP_BINARY_DIR) + "/bin/sarsweep-trainer"; }

inline std::vector<json> events_of(const fs::path& run_dir) {
  std::vector<json> events;
  std::ifstream in(run_dir / "events.jsonl");
  for (std::string line; std::getline(in, line);) {
    json event = json::parse(line, nullptr, false);
    if (!event.is_discarded()) events.push_back(std::move(event));  // a reader may see half a line
  }
  return events;
}

inline std::vector<json> events_of(const fs::path& run_dir, const std::string& type) {
  std::vector<json> chosen;
  for (json& event : events_of(run_dir)) {
    if (event["type"] == type) chosen.push_back(std::move(event));
  }
  return chosen;
}

// step -> value of one curve.
inline std::map<long, json> curve(const fs::path& run_dir, const std::string& key) {
  std::map<long, json> points;
  for (const json& event : events_of(run_dir, "metrics")) {
    if (!event["values"].contains(key)) continue;
    const auto [where, fresh] = points.emplace(event["step"].get<long>(), event["values"][key]);
    EXPECT_TRUE(fresh) << key << " twice at step " << where->first;
  }
  return points;
}

inline std::string final_weights(const fs::path& run_dir, int updates = kUpdates) {
  char name[32];
  std::snprintf(name, sizeof name, "step-%08d", updates);
  return read_file(run_dir / "checkpoints" / name / "weights.safetensors");
}

class TrainCommand : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!open_clip_vocabulary())
      GTEST_SKIP() << "the open_clip vocabulary of .venv is not installed";
    shared_ = std::make_unique<TemporaryFolder>();
    const ProcessResult data =
        run_process({trainer(), "synthesize", "--out", (*shared_ / "data").string(), "--per-label",
                     "6", "--size", "64", "--seed", "1"});
    ASSERT_EQ(data.exit_code, 0) << data.output;
    const ProcessResult model =
        run_process({trainer(), "init", "--preset", "tiny", "--out", (*shared_ / "tiny").string(),
                     "--seed", "1", "--vocab", open_clip_vocabulary()->string()});
    ASSERT_EQ(model.exit_code, 0) << model.output;
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static json run_document() {
    return {
        {"run_id", "r1"},
        {"name", "heart-rose-2"},
        {"seed", 3},
        {"device", "cpu"},
        {"threads", 1},
        {"cache_dir", *shared_ / "cache"},
        {"resume", json::array()},
        {"protocol",
         {{"split", "test"},
          {"per_label", 1},
          {"sampler", "ddim"},
          {"steps", 2},
          {"cfg", 1.0},
          {"seeds_per_image", 1},
          {"stretch", "mean3sigma"},
          {"gray", "mean"},
          {"bits", 16},
          {"bins", 256},
          {"smoothing", "half"},
          {"saturation", 0.999}}},
        {"config",
         {{"job", "diffusion"},
          {"model", {{"path", *shared_ / "tiny"}}},
          {"data",
           {{"path", *shared_ / "data"},
            {"resolution", 64},
            {"stretch", "mean3sigma"},
            {"scale_column", "scale"}}},
          {"unet", {{"mode", "full"}, {"lr", 1e-3}}},
          {"train", {{"steps", kUpdates}, {"global_batch", 4}, {"micro_batch", 2}, {"warmup", 2}}},
          {"checkpoint", {{"every", 3}}},
          {"samples", {{"steps", 2}, {"prompts", {"a SAR image of a ship"}}}}}}};
  }

  fs::path make_run(const std::string& name, const json& document) {
    fs::create_directories(folder_ / name);
    write_file_atomically(folder_ / name / "run.json", document.dump());
    return folder_ / name;
  }
  static int train(const fs::path& run_dir) {
    return RunningProcess({trainer(), "train", run_dir.string()}).wait();
  }
  fs::path uninterrupted() {
    const fs::path run_dir = make_run("whole", run_document());
    EXPECT_EQ(train(run_dir), 0);
    return run_dir;
  }
  // The next attempt of a run, as the coordinator grants it.
  fs::path next_attempt(const fs::path& previous, const std::string& name) {
    json document = run_document();
    std::vector<json> sealed = events_of(previous, "checkpoint");
    for (auto event = sealed.rbegin(); event != sealed.rend(); ++event) {
      document["resume"].push_back({{"checkpoint", previous / (*event)["path"].get<std::string>()},
                                    {"step", (*event)["step"]},
                                    {"manifest_sha256", (*event)["manifest_sha256"]}});
    }
    return make_run(name, document);
  }
  // The curve of `second` goes on where its checkpoint was taken; before that `first` counts.
  static void expect_same_losses(const fs::path& whole, const fs::path& first,
                                 const fs::path& second) {
    std::map<long, json> joined = curve(second, "train/loss");
    ASSERT_FALSE(joined.empty());
    const long resumed = joined.begin()->first;
    for (const auto& [step, loss] : curve(first, "train/loss")) {
      if (step < resumed) joined.emplace(step, loss);
    }
    EXPECT_EQ(joined, curve(whole, "train/loss"));
    for (const auto& [step, loss] : curve(second, "val/loss")) {
      EXPECT_EQ(loss, curve(whole, "val/loss").at(step)) << step;
    }
  }

  inline static std::unique_ptr<TemporaryFolder> shared_;
  TemporaryFolder folder_;
};

}  // namespace sarsweep::tests
