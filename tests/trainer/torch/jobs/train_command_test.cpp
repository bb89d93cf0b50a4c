// `sarsweep-trainer train RUN_DIR` as the worker sees it: real processes, signals, exit codes,
// files.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/trainer/torch/jobs/train_fixture.h"

namespace sarsweep::tests {
namespace {

TEST_F(TrainCommand, TrainsSamplesJudgesAndSaysSo) {
  const fs::path run = uninterrupted();
  EXPECT_EQ(curve(run, "train/loss").size(), static_cast<std::size_t>(kUpdates));
  EXPECT_EQ(curve(run, "val/loss").size(), 4u);
  EXPECT_EQ(events_of(run, "checkpoint").size(), 4u);
  const std::vector<json> samples = events_of(run, "sample");
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_TRUE(fs::exists(run / samples[0]["file"].get<std::string>()));
  const std::vector<json> results = events_of(run, "eval");
  ASSERT_EQ(results.size(), 1u);
  const json result = json::parse(read_file(run / results[0]["file"].get<std::string>()));
  EXPECT_EQ(result["protocol_hash"], results[0]["protocol_hash"]);
  EXPECT_EQ(curve(run, "eval/kl_pooled").at(kUpdates), result["kl_pooled"]);
  EXPECT_EQ(curve(run, "eval/vae_pass_kl_pooled").size(), 1u);
  EXPECT_EQ(curve(run, "eval/autocorrelation_generated_1").size(), 1u);
  const std::vector<json> all = events_of(run);
  EXPECT_EQ(all.back()["type"], "end");
  EXPECT_EQ(all.back()["exit_code"], 0);
  EXPECT_EQ(all.back()["step"], kUpdates);
}

TEST_F(TrainCommand, KilledRunResumesToTheSameBytes) {
  const fs::path whole = uninterrupted();
  const fs::path first = make_run("killed", run_document());
  {
    RunningProcess process({trainer(), "train", first.string()});
    ASSERT_TRUE(process.wait_until([&] { return events_of(first, "checkpoint").size() >= 2; }));
    process.signal(SIGKILL);
    ASSERT_EQ(process.wait(), 128 + SIGKILL);
  }
  ASSERT_FALSE(fs::exists(first / "eval"));
  const fs::path second = next_attempt(first, "resumed");
  ASSERT_EQ(train(second), 0);
  EXPECT_GT(curve(second, "train/loss").begin()->first, 6);
  expect_same_losses(whole, first, second);
  EXPECT_TRUE(final_weights(second) == final_weights(whole));
  EXPECT_EQ(events_of(second, "eval")[0]["sha256"], events_of(whole, "eval")[0]["sha256"]);
}

TEST_F(TrainCommand, SigtermCheckpointsExits143AndResumesToTheSameBytes) {
  const fs::path whole = uninterrupted();
  const fs::path first = make_run("stopped", run_document());
  RunningProcess process({trainer(), "train", first.string()});
  ASSERT_TRUE(process.wait_until([&] { return curve(first, "train/loss").contains(4); }));
  process.signal(SIGTERM);
  ASSERT_EQ(process.wait(), 143);
  const std::vector<json> ends = events_of(first, "end");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0]["exit_code"], 143);
  EXPECT_EQ(events_of(first, "checkpoint").back()["step"], ends[0]["step"]);
  const fs::path second = next_attempt(first, "resumed");
  ASSERT_EQ(train(second), 0);
  expect_same_losses(whole, first, second);
  EXPECT_TRUE(final_weights(second) == final_weights(whole));
}

TEST_F(TrainCommand, SigtermWhileJudgingLeavesNothingHalfWrittenAndResumesThere) {
  json document = run_document();
  document["protocol"]["steps"] = 100;
  const fs::path first = make_run("stopped", document);
  RunningProcess process({trainer(), "train", first.string()});
  ASSERT_TRUE(process.wait_until([&] {
    const std::vector<json> stages = events_of(first, "stage");
    return !stages.empty() && stages.back()["name"] == "evaluate";
  }));
  process.signal(SIGTERM);
  ASSERT_EQ(process.wait(), 143);
  EXPECT_EQ(events_of(first).back()["step"], kUpdates);
  EXPECT_FALSE(fs::exists(first / "eval"));
  const fs::path second = next_attempt(first, "resumed");
  ASSERT_EQ(train(second), 0);
  EXPECT_TRUE(curve(second, "train/loss").empty());
  EXPECT_EQ(events_of(second, "eval").size(), 1u);
}

TEST_F(TrainCommand, SigtermInASampleOnTheWayKeepsTheStepAndOwesThePictures) {
  const fs::path whole = uninterrupted();
  json document = run_document();
  document["config"]["samples"]["every"] = 4;
  document["config"]["samples"]["steps"] = 300;
  const fs::path first = make_run("stopped", document);
  RunningProcess process({trainer(), "train", first.string()});
  ASSERT_TRUE(process.wait_until([&] {
    return !events_of(first, "stage").empty() &&
           events_of(first, "stage").back()["name"] == "sample";
  }));
  process.signal(SIGTERM);
  ASSERT_EQ(process.wait(), 143);
  EXPECT_TRUE(events_of(first, "sample").empty());
  ASSERT_FALSE(events_of(first, "checkpoint").empty());
  EXPECT_EQ(events_of(first, "checkpoint").back()["step"], 4);
  document["config"]["samples"]["steps"] = 2;
  document["resume"] = json::parse(read_file(next_attempt(first, "grant") / "run.json"))["resume"];
  const fs::path second = make_run("resumed", document);
  ASSERT_EQ(train(second), 0);
  EXPECT_EQ(events_of(second, "sample").front()["step"], 4);
  EXPECT_TRUE(final_weights(second) == final_weights(whole));
}

TEST_F(TrainCommand, Sigusr1CheckpointsAndGoesOn) {
  json document = run_document();
  document["config"]["checkpoint"]["every"] = 1000;
  const fs::path run = make_run("asked", document);
  RunningProcess process({trainer(), "train", run.string()});
  ASSERT_TRUE(process.wait_until([&] { return curve(run, "train/loss").contains(2); }));
  process.signal(SIGUSR1);
  ASSERT_EQ(process.wait(), 0);
  const std::vector<json> sealed = events_of(run, "checkpoint");
  ASSERT_EQ(sealed.size(), 2u);
  EXPECT_LT(sealed[0]["step"], kUpdates);
}

TEST_F(TrainCommand, DamagedNewestCheckpointFallsBackToTheOneBefore) {
  const fs::path whole = uninterrupted();
  const fs::path second = next_attempt(whole, "resumed");
  fs::resize_file(whole / "checkpoints/step-00000012/optimizer.safetensors", 100);
  const std::string expected = final_weights(whole);
  ASSERT_EQ(train(second), 0);
  EXPECT_EQ(curve(second, "train/loss").begin()->first, 10);
  const std::vector<json> warnings = events_of(second, "warning");
  ASSERT_FALSE(warnings.empty());
  EXPECT_NE(warnings[0]["message"].get<std::string>().find("step-00000012"), std::string::npos);
  EXPECT_TRUE(final_weights(second) == expected);
}

TEST_F(TrainCommand, ResumeUnderAnotherConfigIsRefused) {
  const fs::path first = uninterrupted();
  json document = json::parse(read_file(next_attempt(first, "resumed") / "run.json"));
  document["config"]["unet"]["lr"] = 2e-3;
  const fs::path second = make_run("changed", document);
  EXPECT_EQ(train(second), 78);
  EXPECT_EQ(events_of(second, "error").size(), 1u);
}

TEST_F(TrainCommand, ARunThatIsExtendedEndsAsOneThatWasThatLongFromTheStart) {
  const fs::path whole = uninterrupted();
  json brief = run_document();
  brief["config"]["train"]["steps"] = 7;
  const fs::path first = make_run("brief", brief);
  ASSERT_EQ(train(first), 0);
  const fs::path second = next_attempt(first, "extended");
  ASSERT_EQ(train(second), 0);
  EXPECT_EQ(curve(second, "train/loss").begin()->first, 8);
  EXPECT_TRUE(final_weights(second) == final_weights(whole));
}

TEST_F(TrainCommand, AScheduleThatCameToItsEndIsNotExtended) {
  json brief = run_document();
  brief["config"]["train"]["steps"] = 7;
  brief["config"]["train"]["schedule"] = "cosine";
  const fs::path first = make_run("brief", brief);
  ASSERT_EQ(train(first), 0);
  json longer = json::parse(read_file(next_attempt(first, "extended") / "run.json"));
  longer["config"]["train"]["schedule"] = "cosine";
  EXPECT_EQ(train(make_run("longer", longer)), 78);
}

TEST_F(TrainCommand, LatentsAreEncodedOnceForAllRuns) {
  json document = run_document();
  document["cache_dir"] = folder_ / "cache";
  document["config"]["train"]["steps"] = 1;
  ASSERT_EQ(train(make_run("first", document)), 0);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder_ / "cache/latents")) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  ASSERT_EQ(files.size(), 1u);
  const auto written = fs::last_write_time(files[0]);
  document["config"]["unet"]["lr"] = 2e-3;
  ASSERT_EQ(train(make_run("second", document)), 0);
  EXPECT_EQ(fs::last_write_time(files[0]), written);
  fs::resize_file(files[0], fs::file_size(files[0]) / 2);  // never train on a poisoned cache
  const fs::path third = make_run("third", document);
  ASSERT_EQ(train(third), 0);
  EXPECT_TRUE(final_weights(third, 1) == final_weights(folder_ / "second", 1));
}

TEST_F(TrainCommand, VaeJobScalesLatentsToUnitVarianceAndItsCheckpointIsAModel) {
  json document = run_document();
  document["config"].erase("unet");
  document["config"]["job"] = "vae";
  document["config"]["vae"] = {{"mode", "full"}, {"lr", 1e-3}};
  const fs::path vae = make_run("vae", document);
  ASSERT_EQ(train(vae), 0);
  const json model = json::parse(read_file(vae / "checkpoints/step-00000012/model.json"));
  EXPECT_NE(model["vae_scaling_factor"], 0.13025);
  const json before = json::parse(read_file(vae / "checkpoints/step-00000009/model.json"));
  EXPECT_EQ(before["vae_scaling_factor"], 0.13025);
  json child = run_document();
  child["config"]["model"]["path"] = vae / "checkpoints/step-00000012";
  const fs::path run = make_run("child", child);
  ASSERT_EQ(train(run), 0);
  const json grandchild = json::parse(read_file(run / "checkpoints/step-00000012/model.json"));
  EXPECT_EQ(grandchild["vae_scaling_factor"], model["vae_scaling_factor"]);
  // Results of a reconstruction are never ranked with those of generated pictures.
  EXPECT_NE(events_of(vae, "eval")[0]["protocol_hash"], events_of(run, "eval")[0]["protocol_hash"]);
}

TEST_F(TrainCommand, ZeroStepsOnlySamplesAndJudges) {
  json document = run_document();
  document["config"]["train"]["steps"] = 0;
  const fs::path run = make_run("judged", document);
  ASSERT_EQ(train(run), 0);
  EXPECT_TRUE(events_of(run, "checkpoint").empty());
  EXPECT_EQ(events_of(run, "sample").size(), 1u);
  EXPECT_EQ(events_of(run, "eval").size(), 1u);
}

TEST_F(TrainCommand, LoraChildGoesOnFromItsParentAndExportsBothFormats) {
  json document = run_document();
  document["config"]["unet"] = {{"mode", "lora"}, {"lr", 1e-3}, {"rank", 4}};
  document["config"]["text_encoder_2"] = {{"mode", "lora"}, {"lr", 1e-3}, {"rank", 2}};
  const fs::path parent = make_run("parent", document);
  ASSERT_EQ(train(parent), 0);
  EXPECT_TRUE(fs::exists(parent / "export/pytorch_lora_weights.safetensors"));
  EXPECT_TRUE(fs::exists(parent / "export/lora_kohya.safetensors"));
  json child = document;
  child["config"]["model"]["path"] = parent / "checkpoints/step-00000012";
  child["config"]["train"]["steps"] = 0;
  const fs::path judged = make_run("judged", child);
  ASSERT_EQ(train(judged), 0);
  const auto kl = [](const fs::path& run) {
    return json::parse(
        read_file(run / events_of(run, "eval")[0]["file"].get<std::string>()))["kl_pooled"];
  };
  EXPECT_EQ(kl(judged), kl(parent));
  child["config"]["train"]["steps"] = 1;
  child["config"]["train"]["warmup"] =
      1;  // the only update has lr 0: the adapters stay what they were
  const fs::path kept = make_run("kept", child);
  ASSERT_EQ(train(kept), 0);
  EXPECT_TRUE(final_weights(kept, 1) == final_weights(parent));
}

TEST_F(TrainCommand, BadConfigEndsWith78AndOneSentence) {
  json document = run_document();
  document["config"]["model"]["path"] = "/nowhere/model";
  const fs::path run = make_run("bad", document);
  EXPECT_EQ(train(run), 78);
  const std::vector<json> errors = events_of(run, "error");
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_NE(errors[0]["message"].get<std::string>().find("/nowhere/model"), std::string::npos);
  EXPECT_EQ(events_of(run).back()["exit_code"], 78);
}

TEST_F(TrainCommand, SamplingThatCannotBeIsToldBeforeTheFirstUpdate) {
  json samples = run_document();
  samples["config"]["samples"]["steps"] = 1000;  // "leading" would begin at timestep 1000
  json protocol = run_document();
  protocol["protocol"]["sampler"] = "heun";
  for (const auto& [name, document] :
       {std::pair{"samples", samples}, std::pair{"protocol", protocol}}) {
    const fs::path run = make_run(name, document);
    EXPECT_EQ(train(run), 78);
    EXPECT_EQ(events_of(run, "error").size(), 1u);
    EXPECT_TRUE(curve(run, "train/loss").empty());
  }
}

TEST_F(TrainCommand, DivergedRunEndsWith77) {
  json document = run_document();
  document["config"]["train"]["steps"] = 400;
  document["config"]["train"]["weight_decay"] = 0.0;
  document["config"]["train"]["clip_norm"] = 1e30;
  document["config"]["checkpoint"]["every"] = 1000;
  document["config"]["unet"]["lr"] = 1e30;
  const fs::path run = make_run("diverged", document);
  EXPECT_EQ(train(run), 77);
  EXPECT_EQ(events_of(run, "warning").size(), 10u);
}

}  // namespace
}  // namespace sarsweep::tests
