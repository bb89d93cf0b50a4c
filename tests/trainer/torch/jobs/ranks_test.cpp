// `mpirun -n N sarsweep-trainer train RUN_DIR`: the same training by several processes, and what
// becomes of it when one of them is lost.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "tests/support/mpirun.h"
#include "tests/trainer/torch/jobs/train_fixture.h"
#include "trainer/core/files/safetensors.h"

namespace sarsweep::tests {
namespace {

using Clock = std::chrono::steady_clock;

// From a rank's loss to the job's end, mpirun's own killing included.
constexpr std::chrono::seconds kMostToEnd{15};

// |a - b| / |b| over all weights whose gradient is more than rounding: a key's bias changes no
// attention, and Adam makes whole steps of its noise.
double distance(const fs::path& a, const fs::path& b) {
  const trainer::SafetensorsFile first(a), second(b);
  EXPECT_EQ(first.entries().size(), second.entries().size());
  double squares = 0, difference = 0;
  for (const trainer::TensorEntry& entry : first.entries()) {
    if (entry.name.ends_with(".k_proj.bias")) continue;
    const auto* x = reinterpret_cast<const float*>(first.data(entry));
    const auto* y = reinterpret_cast<const float*>(second.data(*second.find(entry.name)));
    const std::size_t count = (entry.end - entry.begin) / sizeof(float);
    for (std::size_t i = 0; i < count; ++i) {
      squares += double{y[i]} * double{y[i]};
      difference += (double{x[i]} - double{y[i]}) * (double{x[i]} - double{y[i]});
    }
  }
  return std::sqrt(difference / squares);
}

fs::path run_of(const fs::path& weights) {
  return weights.parent_path().parent_path().parent_path();
}

// The largest |a - b| / |b| of two runs' points of a curve.
double curve_distance(const fs::path& a, const fs::path& b, const std::string& key) {
  const std::map<long, json> first = curve(run_of(a), key), second = curve(run_of(b), key);
  EXPECT_EQ(first.size(), second.size());
  double most = 0;
  for (const auto& [step, value] : second) {
    const double y = value, x = first.at(step);
    most = std::max(most, std::abs(x - y) / std::abs(y));
  }
  return most;
}

class RankedTraining : public TrainCommand {
 protected:
  void SetUp() override {
    if (!mpirun(1, {})) GTEST_SKIP() << "there is no mpirun on this machine";
  }
  static void TearDownTestSuite() {
    whole_.reset();
    TrainCommand::TearDownTestSuite();
  }

  static std::vector<std::string> command(int ranks, const fs::path& run_dir) {
    const std::vector<std::string> alone = {trainer(), "train", run_dir.string()};
    return ranks == 1 ? alone : *mpirun(ranks, alone);
  }
  static int train_by(int ranks, const fs::path& run_dir) {
    return RunningProcess(command(ranks, run_dir)).wait();
  }
  // `document` with these micro batches, by that many ranks: its final weights.
  fs::path weights_by(int ranks, json document, int micro_batch) {
    document["config"]["train"]["micro_batch"] = micro_batch;
    const std::string name = std::to_string(ranks) + "x" + std::to_string(micro_batch);
    const fs::path run_dir =
        make_run(document["config"]["job"].get<std::string>() + name, document);
    EXPECT_EQ(train_by(ranks, run_dir), 0) << name;
    return run_dir / "checkpoints/step-00000012/weights.safetensors";
  }
  // A run by two ranks that nothing disturbed.
  const fs::path& whole() {
    if (!whole_) {
      whole_ = std::make_unique<fs::path>(*shared_ / "whole");
      fs::create_directories(*whole_);
      write_file_atomically(*whole_ / "run.json", run_document().dump());
      EXPECT_EQ(train_by(2, *whole_), 0);
    }
    return *whole_;
  }
  void expect_resumes_as_whole(const fs::path& first) {
    const fs::path second = next_attempt(first, first.filename().string() + "-resumed");
    ASSERT_EQ(train_by(2, second), 0);
    expect_same_losses(whole(), first, second);
    EXPECT_TRUE(final_weights(second) == final_weights(whole()));
  }
  // Sends `number` to one rank of two in the middle of training. mpirun's exit code.
  int disturb(const fs::path& run_dir, int rank, int number) {
    RunningProcess job(command(2, run_dir));
    if (!job.wait_until([&] { return curve(run_dir, "train/loss").contains(4); })) return -1;
    const int process = rank_process(job.pid(), rank);
    EXPECT_GT(process, 0);
    if (process <= 0) return -1;
    const Clock::time_point begun = Clock::now();
    ::kill(process, number);
    const int code = job.wait();
    spent_ = Clock::now() - begun;
    return code;
  }

  inline static std::unique_ptr<fs::path> whole_;
  Clock::duration spent_{};
};

TEST_F(RankedTraining, ABatchMakesTheSameWeightsHoweverItIsShared) {
  const json document = run_document();
  const fs::path at_once = weights_by(1, document, 4);
  const fs::path one_by_one = weights_by(1, document, 1), by_two = weights_by(2, document, 2);
  for (const fs::path& other : {one_by_one, by_two}) {
    EXPECT_LT(distance(other, at_once), 1e-6);
    EXPECT_LT(curve_distance(other, at_once, "train/loss"), 1e-6);
    EXPECT_LT(curve_distance(other, at_once, "train/grad_norm"), 1e-5);
  }
  // Ranks add up as passes do, so these agree to the last bit.
  EXPECT_TRUE(read_file(weights_by(4, document, 1)) == read_file(one_by_one));
}

// A pair is told from the pairs of all ranks, not of its own alone.
TEST_F(RankedTraining, ClipJobsKeepTheirWholeBatchTogether) {
  const std::string model = (*shared_ / "clip").string();
  const ProcessResult made =
      run_process({trainer(), "init", "--preset", "clip-tiny", "--out", model, "--seed", "1",
                   "--vocab", open_clip_vocabulary()->string()});
  ASSERT_EQ(made.exit_code, 0) << made.output;
  json clip = run_document();
  clip["config"] = {{"job", "clip"},
                    {"model", {{"path", model}}},
                    {"data", clip["config"]["data"]},
                    {"clip", {{"steps", kUpdates}, {"batch", 4}, {"lr", 1e-3}}}};
  const fs::path one_by_one = weights_by(1, clip, 1);
  EXPECT_LT(distance(one_by_one, weights_by(1, clip, 4)), 2e-5);
  EXPECT_LT(distance(weights_by(3, clip, 2), one_by_one), 2e-5);
  EXPECT_TRUE(read_file(weights_by(4, clip, 1)) == read_file(one_by_one));
}

TEST_F(RankedTraining, VaeJobsAndAdaptersAreSharedTheSameWay) {
  json vae = run_document();
  vae["config"].erase("unet");
  vae["config"]["job"] = "vae";
  vae["config"]["vae"] = {{"mode", "full"}, {"lr", 1e-3}};
  EXPECT_TRUE(read_file(weights_by(3, vae, 1)) == read_file(weights_by(1, vae, 1)));
  json lora = run_document();
  lora["config"]["unet"] = {{"mode", "lora"}, {"lr", 1e-3}, {"rank", 4}};
  lora["config"]["text_encoder_1"] = {{"mode", "lora"}, {"lr", 1e-3}, {"rank", 2}};
  lora["config"]["train"]["ema_decay"] = 0.9;
  EXPECT_TRUE(read_file(weights_by(3, lora, 1)) == read_file(weights_by(1, lora, 1)));
}

TEST_F(RankedTraining, RefinementIsSharedAndItsTermsAreThoseOfAllRanks) {
  json document = run_document();
  document["config"]["vae"] = {{"mode", "decoder"}, {"lr", 1e-4}, {"late_share", 0.5}};
  const fs::path alone = weights_by(1, document, 1), shared = weights_by(3, document, 1);
  EXPECT_TRUE(read_file(alone) == read_file(shared));
  const std::map<long, json> whole = curve(run_of(alone), "train/rayleigh");
  EXPECT_FALSE(whole.empty());
  EXPECT_EQ(curve(run_of(shared), "train/rayleigh"), whole);
}

TEST_F(RankedTraining, MoreRanksThanImagesIsTheSameTrainingStill) {
  json document = run_document();
  document["config"]["train"]["global_batch"] = 2;
  EXPECT_TRUE(read_file(weights_by(3, document, 1)) == read_file(weights_by(1, document, 1)));
}

TEST_F(RankedTraining, RankZeroAloneWritesAndCountsForAll) {
  constexpr int kImagesOfTwoEpochs = 44;  // 22 images in updates of 4: six an epoch
  EXPECT_EQ(curve(whole(), "train/samples_seen").at(kUpdates), kImagesOfTwoEpochs);
  EXPECT_EQ(curve(whole(), "train/loss").size(), static_cast<std::size_t>(kUpdates));
  EXPECT_EQ(curve(whole(), "val/loss").size(), 4u);
  EXPECT_EQ(events_of(whole(), "eval").size(), 1u);
  EXPECT_EQ(events_of(whole(), "end").size(), 1u);
  const json manifest = json::parse(read_file(whole() / "checkpoints/step-00000012/manifest.json"));
  EXPECT_EQ(manifest["world_size"], 2);
}

TEST_F(RankedTraining, ALostRankEndsTheJobWhichGoesOnToTheSameBytes) {
  for (const int number : {SIGKILL, SIGSTOP}) {
    for (const int rank : {0, 1}) {
      SCOPED_TRACE(testing::Message() << "signal " << number << " to rank " << rank);
      const fs::path run =
          make_run("lost-" + std::to_string(number) + std::to_string(rank), run_document());
      const int code = disturb(run, rank, number);
      EXPECT_TRUE(code == 75 || (number == SIGKILL && code == 128 + SIGKILL)) << code;
      EXPECT_LT(spent_, kMostToEnd);
      for (const json& end : events_of(run, "end")) EXPECT_EQ(end["exit_code"], 75);
      // A stopped rank 0 may still say its last words when mpirun wakes it to end it.
      if (number == SIGSTOP && rank != 0) {
        EXPECT_EQ(events_of(run, "end").size(), 1u);
      }
      expect_resumes_as_whole(run);
    }
  }
}

TEST_F(RankedTraining, ASignalToAnyRankStopsAllAtOneUpdate) {
  const fs::path run = make_run("stopped", run_document());
  EXPECT_EQ(disturb(run, 1, SIGTERM), 143);
  ASSERT_EQ(events_of(run, "end").size(), 1u);
  const json end = events_of(run, "end")[0];
  EXPECT_EQ(end["exit_code"], 143);
  EXPECT_EQ(events_of(run, "checkpoint").back()["step"], end["step"]);
  expect_resumes_as_whole(run);
}

TEST_F(RankedTraining, MpirunHandsTheWishToStopOn) {
  const fs::path run = make_run("stopped", run_document());
  RunningProcess job(command(2, run));
  ASSERT_TRUE(job.wait_until([&] { return curve(run, "train/loss").contains(4); }));
  job.signal(SIGUSR2);
  EXPECT_EQ(job.wait(), 143);
  expect_resumes_as_whole(run);
}

TEST_F(RankedTraining, ACheckpointAskedOfAnyRankIsMade) {
  json document = run_document();
  document["config"]["checkpoint"]["every"] = 1000;
  const fs::path run = make_run("asked", document);
  EXPECT_EQ(disturb(run, 1, SIGUSR1), 0);
  const std::vector<json> sealed = events_of(run, "checkpoint");
  ASSERT_EQ(sealed.size(), 2u);
  EXPECT_LT(sealed[0]["step"], kUpdates);
}

TEST_F(RankedTraining, AnotherNumberOfRanksGoesOnWithAWarning) {
  const fs::path run = make_run("first", run_document());
  ASSERT_EQ(disturb(run, 0, SIGTERM), 143);
  const fs::path second = next_attempt(run, "second");
  ASSERT_EQ(train_by(1, second), 0);
  const std::vector<json> warnings = events_of(second, "warning");
  EXPECT_EQ(std::count_if(warnings.begin(), warnings.end(),
                          [](const json& warning) {
                            return warning["message"].get<std::string>().find("made by 2 ranks") !=
                                   std::string::npos;
                          }),
            1);
}

TEST_F(RankedTraining, ABadConfigEndsAllWith78AndOneSentence) {
  json document = run_document();
  document["config"]["model"]["path"] = "/nowhere/model";
  const fs::path run = make_run("bad", document);
  EXPECT_EQ(train_by(2, run), 78);
  const std::vector<json> errors = events_of(run, "error");
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_NE(errors[0]["message"].get<std::string>().find("/nowhere/model"), std::string::npos);
  EXPECT_EQ(events_of(run).back()["exit_code"], 78);
}

TEST_F(RankedTraining, DivergenceIsAgreedAndNamesTheImagesOfAllRanks) {
  json document = run_document();
  document["config"]["train"]["steps"] = 400;
  document["config"]["train"]["weight_decay"] = 0.0;
  document["config"]["train"]["clip_norm"] = 1e30;
  document["config"]["checkpoint"]["every"] = 1000;
  document["config"]["unet"]["lr"] = 1e30;
  const fs::path run = make_run("diverged", document);
  EXPECT_EQ(train_by(2, run), 77);
  const std::vector<json> warnings = events_of(run, "warning");
  ASSERT_EQ(warnings.size(), 10u);
  const std::string message = warnings[0]["message"];
  const std::string names = message.substr(message.find("images: "));
  EXPECT_EQ(std::count(names.begin(), names.end(), ','), 3);
}

}  // namespace
}  // namespace sarsweep::tests
