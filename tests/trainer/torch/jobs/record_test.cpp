// `sarsweep-trainer train --record`: what was trained, repeated by `replay`.
#include <map>
#include <string>
#include <vector>

#include "tests/trainer/torch/jobs/train_fixture.h"
#include "trainer/core/files/safetensors.h"

namespace sarsweep::tests {
namespace {

constexpr int kRecorded = 5;

class RecordTest : public TrainCommand {
 protected:
  static json document_of(const json& changes) {
    json document = run_document();
    document["config"]["train"]["steps"] = kRecorded;
    document["config"]["train"]["schedule"] = "cosine";
    document["config"].merge_patch(changes);
    document["protocol"] = nullptr;
    return document;
  }
  ProcessResult record(const fs::path& run_dir, int updates) {
    return run_process({trainer(), "train", run_dir.string(), "--record", file().string(),
                        "--record-updates", std::to_string(updates)});
  }
  fs::path file() const { return folder_ / "record.safetensors"; }

  json replayed(const fs::path& run_dir) {
    const fs::path out = folder_ / "replayed";
    const ProcessResult done =
        run_process({trainer(), "replay", "--config", (run_dir / "run.json").string(), "--inputs",
                     file().string(), "--out", out.string()});
    EXPECT_EQ(done.exit_code, 0) << done.output;
    return json::parse(read_file(out / "losses.json"));
  }

  void expect_repeated(const json& changes) {
    const fs::path run_dir = make_run("recorded", document_of(changes));
    ASSERT_EQ(record(run_dir, kRecorded).exit_code, 0);
    expect_same_curves(run_dir, kRecorded);
  }
  // Of the whole run and of its record's replay.
  void expect_same_curves(const fs::path& run_dir, std::size_t count) {
    const std::map<long, json> losses = curve(run_dir, "train/loss");
    const std::map<long, json> norms = curve(run_dir, "train/grad_norm");
    const json updates = replayed(run_dir).at("updates");
    ASSERT_EQ(updates.size(), count);
    ASSERT_EQ(losses.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      const long step = static_cast<long>(i) + 1;
      const json& update = updates[i];
      EXPECT_NEAR(update.at("loss").get<double>() / losses.at(step).get<double>(), 1, 1e-5);
      EXPECT_NEAR(update.at("grad_norm").get<double>() / norms.at(step).get<double>(), 1, 1e-4);
    }
  }
};

TEST_F(RecordTest, AReplayRepeatsARunWithCachedCaptions) {
  expect_repeated({{"prompt", {{"dropout", 0.4}}}, {"train", {{"noise_offset", 0.05}}}});
}

TEST_F(RecordTest, AReplayRepeatsARunThatTrainsEverything) {
  expect_repeated({{"unet", {{"mode", "lora"}, {"rank", 4}}},
                   {"text_encoder_1", {{"mode", "lora"}, {"rank", 2}}},
                   {"vae", {{"mode", "decoder"}, {"t_max", 500}, {"rayleigh_weight", 0.1}}}});
}

TEST_F(RecordTest, AReplayRepeatsAVaeJob) {
  expect_repeated({{"job", "vae"}, {"samples", nullptr}});
}

// Twice through 22 images in updates of 16, each tail in its own way.
TEST_F(RecordTest, ARecordGoesOnThroughTheEpochsAndEndsWithTheRun) {
  const std::map<std::string, std::pair<int, int>> expected = {
      {"flush", {4, 44}}, {"carry", {2, 32}}, {"drop", {2, 32}}};
  for (const auto& [tail, numbers] : expected) {
    SCOPED_TRACE(tail);
    const auto& [updates, rows] = numbers;
    const fs::path run_dir = make_run(tail, document_of({{"train",
                                                          {{"steps", nullptr},
                                                           {"epochs", 2},
                                                           {"global_batch", 16},
                                                           {"micro_batch", 8},
                                                           {"tail", tail}}}}));
    ASSERT_EQ(record(run_dir, 1000).exit_code, 0);
    const std::vector<json> warnings = events_of(run_dir, "warning");
    ASSERT_FALSE(warnings.empty());
    EXPECT_NE(warnings.front().at("message").get<std::string>().find("the run has no more"),
              std::string::npos);
    const trainer::SafetensorsFile tensors(file());
    ASSERT_NE(tensors.find("latents"), nullptr);
    EXPECT_EQ(tensors.find("latents")->shape.front(), rows);
    EXPECT_EQ(tensors.metadata().at("lr_updates"), std::to_string(updates));
    EXPECT_EQ(tensors.metadata().at("epoch_images"), "22");
    expect_same_curves(run_dir, static_cast<std::size_t>(updates));
  }
}

TEST_F(RecordTest, ARunThatGoesOnIsNotRecorded) {
  const fs::path first = make_run("first", document_of(json::object()));
  ASSERT_EQ(train(first), 0);
  const fs::path second = make_run("second", document_of(json::object()));
  fs::rename(first / "checkpoints", second / "checkpoints");
  json resumed = document_of(json::object());
  resumed["resume"] = "auto";
  write_file_atomically(second / "run.json", resumed.dump());
  const ProcessResult refused = record(second, 1);
  EXPECT_EQ(refused.exit_code, 78) << refused.output;
  EXPECT_NE(refused.output.find("--record takes the first updates"), std::string::npos);
  EXPECT_FALSE(fs::exists(file()));
}

}  // namespace
}  // namespace sarsweep::tests
