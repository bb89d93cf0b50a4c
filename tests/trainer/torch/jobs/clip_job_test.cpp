// Job clip as the worker sees it: real processes, signals, exit codes, files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/trainer/torch/jobs/train_fixture.h"

namespace sarsweep::tests {
namespace {

class ClipCommand : public TrainCommand {
 protected:
  static void SetUpTestSuite() {
    TrainCommand::SetUpTestSuite();
    if (!shared_) return;
    const ProcessResult model =
        run_process({trainer(), "init", "--preset", "clip-tiny", "--out", clip().string(), "--seed",
                     "1", "--vocab", open_clip_vocabulary()->string()});
    ASSERT_EQ(model.exit_code, 0) << model.output;
  }
  static fs::path clip() { return *shared_ / "clip"; }

  static json clip_document() {
    json document = run_document();
    document["config"] = {{"job", "clip"},
                          {"model", {{"path", clip()}}},
                          {"data", document["config"]["data"]},
                          {"clip", {{"steps", kUpdates}, {"batch", 10}, {"lr", 1e-3}}},
                          {"train", {{"micro_batch", 4}, {"warmup", 2}}},
                          {"checkpoint", {{"every", 3}}}};
    return document;
  }
  fs::path whole_run() {
    const fs::path run_dir = make_run("whole", clip_document());
    EXPECT_EQ(train(run_dir), 0);
    return run_dir;
  }
  fs::path resumed(const fs::path& previous, const json& document, const std::string& name) {
    json next = document;
    next["resume"] =
        json::parse(read_file(next_attempt(previous, name + "-grant") / "run.json"))["resume"];
    return make_run(name, next);
  }
  // The result of a diffusion run that trains nothing.
  json judged(const std::string& name, const json& changes) {
    json document = run_document();
    document["config"]["train"] = {{"steps", 0}};
    document["config"].merge_patch(changes);
    const fs::path run = make_run(name, document);
    EXPECT_EQ(train(run), 0);
    return result_of(run);
  }
  static json result_of(const fs::path& run) {
    const std::vector<json> told = events_of(run, "eval");
    EXPECT_EQ(told.size(), 1u);
    json result = json::parse(read_file(run / told.back()["file"].get<std::string>()));
    EXPECT_EQ(told.back()["protocol_hash"], result["protocol_hash"]);
    return result;
  }
  // One sentence of the end, where it is 78.
  std::string refusal(const json& document, const std::string& name) {
    const fs::path run = make_run(name, document);
    EXPECT_EQ(train(run), 78);
    return events_of(run, "end").back()["reason"];
  }
};

std::string exported(const fs::path& run_dir) {
  return read_file(run_dir / "export/clip/model.safetensors");
}

TEST_F(ClipCommand, TrainsAndWritesAFolderThatItReadsAgain) {
  const fs::path run = whole_run();
  const std::map<long, json> losses = curve(run, "train/loss");
  ASSERT_EQ(losses.size(), static_cast<std::size_t>(kUpdates));
  EXPECT_LT(losses.at(kUpdates).get<double>(), losses.at(1).get<double>());
  EXPECT_EQ(curve(run, "val/loss").size(), 4u);
  EXPECT_EQ(curve(run, "train/lr_image_tower").at(kUpdates), 1e-3);
  EXPECT_EQ(curve(run, "train/logit_scale").size(), static_cast<std::size_t>(kUpdates));
  EXPECT_EQ(curve(run, "train/samples_seen").at(kUpdates), 10 * kUpdates);
  for (const fs::path& model : {run / "export/clip", run / "checkpoints/step-00000012"}) {
    const ProcessResult seen = run_process({trainer(), "clip", "--model", model.string(),
                                            "--images", (*shared_ / "data/test").string(), "--out",
                                            (folder_ / "out").string(), "-o", "json"});
    ASSERT_EQ(seen.exit_code, 0) << seen.output;
    const json document = json::parse(seen.output);
    EXPECT_EQ(document["rows"].size(), 22u);
    EXPECT_EQ(document["clip"].get<std::string>().size(), 64u);
  }
}

// By its own captions on the protocol's split: nothing is generated, so there is no divergence.
TEST_F(ClipCommand, ARunJudgesItsOwnModelAtTheEnd) {
  const fs::path run = whole_run();
  const json result = result_of(run);
  EXPECT_EQ(result["n"], 11);
  EXPECT_FALSE(result.contains("kl_pooled"));
  EXPECT_EQ(result["clip_rank"]["pool"], 11);
  EXPECT_EQ(curve(run, "eval/clip_rank").at(kUpdates), result["clip_rank"]["expected_mean"]);
  EXPECT_EQ(result["cosine_mean"]["real"], result["cosine_mean"]["generated"]);
}

TEST_F(ClipCommand, PicturesOfARunAreJudgedByTheClipThatItNames) {
  const json plain = judged("plain", json::object());
  EXPECT_TRUE(plain["clip_rank"].is_null());
  const json by_clip = judged("by-clip", {{"eval", {{"clip", clip()}}}});
  EXPECT_EQ(by_clip["clip_judge"].get<std::string>().size(), 64u);
  EXPECT_EQ(by_clip["clip_rank"]["pool"], 11);
  EXPECT_NE(by_clip["protocol_hash"], plain["protocol_hash"]);
  EXPECT_EQ(by_clip["kl_pooled"], plain["kl_pooled"]);
  // Pictures are generated for other words, and judged by the same.
  const json replaced = judged(
      "replaced", {{"eval", {{"clip", clip()}}}, {"prompt", {{"replace", {{"SAR", "radar"}}}}}});
  EXPECT_EQ(replaced["protocol_hash"], by_clip["protocol_hash"]);
  EXPECT_EQ(replaced["cosine_mean"]["real"], by_clip["cosine_mean"]["real"]);
  EXPECT_NE(replaced["cosine_mean"]["generated"], by_clip["cosine_mean"]["generated"]);
  // A judge sees what the run that made it saw in its own evaluation.
  const fs::path whole = whole_run();
  const json by_own = judged("by-own", {{"eval", {{"clip", whole / "checkpoints/step-00000012"}}}});
  EXPECT_EQ(by_own["cosine_mean"]["real"], result_of(whole)["cosine_mean"]["real"]);
  EXPECT_EQ(by_own["clip_judge"], result_of(whole)["clip_judge"]);
}

TEST_F(ClipCommand, KilledRunResumesToTheSameBytes) {
  const fs::path whole = whole_run();
  const fs::path first = make_run("killed", clip_document());
  {
    RunningProcess process({trainer(), "train", first.string()});
    ASSERT_TRUE(process.wait_until([&] { return events_of(first, "checkpoint").size() >= 2; }));
    process.signal(SIGKILL);
    ASSERT_EQ(process.wait(), 128 + SIGKILL);
  }
  const fs::path second = resumed(first, clip_document(), "resumed");
  ASSERT_EQ(train(second), 0);
  EXPECT_GT(curve(second, "train/loss").begin()->first, 6);
  expect_same_losses(whole, first, second);
  EXPECT_TRUE(final_weights(second) == final_weights(whole));
  EXPECT_TRUE(exported(second) == exported(whole));
}

TEST_F(ClipCommand, SigtermCheckpointsAndResumesToTheSameBytes) {
  const fs::path whole = whole_run();
  const fs::path first = make_run("stopped", clip_document());
  RunningProcess process({trainer(), "train", first.string()});
  ASSERT_TRUE(process.wait_until([&] { return curve(first, "train/loss").contains(4); }));
  process.signal(SIGTERM);
  ASSERT_EQ(process.wait(), 143);
  const fs::path second = resumed(first, clip_document(), "resumed");
  ASSERT_EQ(train(second), 0);
  EXPECT_TRUE(final_weights(second) == final_weights(whole));
}

// A parent edge: the child starts from the parent's weights.
TEST_F(ClipCommand, AChildStartsFromItsParentsCheckpoint) {
  const fs::path parent = whole_run();
  json document = clip_document();
  document["config"]["model"]["path"] = parent / "checkpoints/step-00000012";
  document["config"]["clip"]["lr"] = 0;
  const fs::path child = make_run("child", document);
  ASSERT_EQ(train(child), 0);
  EXPECT_TRUE(exported(child) == exported(parent));
}

TEST_F(ClipCommand, WhatCannotTrainEndsWith78BeforeItBegins) {
  json document = clip_document();
  document["config"]["clip"]["batch"] = 100;
  EXPECT_THAT(refusal(document, "batch"), testing::HasSubstr("clip.batch is 100"));
  document = clip_document();
  document["config"]["model"]["path"] = *shared_ / "tiny";
  EXPECT_THAT(refusal(document, "pipeline"), testing::HasSubstr("is no CLIP model"));
  document = run_document();
  document["config"]["eval"] = {{"clip", *shared_ / "tiny"}};
  EXPECT_THAT(refusal(document, "judge"), testing::HasSubstr("eval.clip"));
  document = run_document();
  document["config"]["model"]["path"] = clip();
  EXPECT_THAT(refusal(document, "diffusion"), testing::HasSubstr("CLIP"));
}

}  // namespace
}  // namespace sarsweep::tests
