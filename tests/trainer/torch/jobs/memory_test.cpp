// Memory that runs out, for real: the address space of the trainer is bounded.
#include <algorithm>
#include <sstream>

#include "tests/trainer/torch/jobs/train_fixture.h"

namespace sarsweep::tests {
namespace {

constexpr int kBatch = 16;

long peak_kb_of(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmPeak:", 0) == 0) return std::stol(line.substr(7));
  }
  return 0;
}

class Memory : public TrainCommand {
 protected:
  static json document(int micro_batch, int halvings = 0) {
    json document = run_document();
    document["micro_halvings"] = halvings;
    document["protocol"] = nullptr;
    json& config = document["config"];
    config.erase("unet");
    config["job"] = "vae";
    config["vae"] = {{"mode", "full"}, {"lr", 1e-3}};
    config["train"] = {{"steps", 1}, {"global_batch", kBatch}, {"micro_batch", micro_batch}};
    return document;
  }
  // The most address space that training takes.
  long peak_kb(const fs::path& run_dir) {
    RunningProcess process({trainer(), "train", run_dir.string()});
    long peak = 0;
    process.wait_until([&] {
      peak = std::max(peak, peak_kb_of(process.pid()));
      return false;
    });
    return peak;
  }
  static int train_within(long kb, const fs::path& run_dir) {
    return RunningProcess({"/bin/sh", "-c",
                           "ulimit -v " + std::to_string(kb) + "; exec \"$0\" \"$@\"", trainer(),
                           "train", run_dir.string()})
        .wait();
  }
};

TEST_F(Memory, HalvingTheMicroBatchTrainsTheSameInLess) {
  const fs::path slim = make_run("slim", document(1));
  const long least = peak_kb(slim);
  const long most = peak_kb(make_run("wide", document(kBatch)));
  ASSERT_GT(most, least + 50'000);
  const long limit = (least + most) / 2;

  const fs::path first = make_run("first", document(kBatch));
  ASSERT_EQ(train_within(limit, first), 76);
  const json end = events_of(first, "end").back();
  EXPECT_EQ(end["exit_code"], 76);
  EXPECT_EQ(end["micro_batch"], kBatch);

  const fs::path again = make_run("again", document(kBatch, 4));
  ASSERT_EQ(train_within(limit, again), 0);
  const std::string warning = events_of(again, "warning").front()["message"];
  EXPECT_EQ(warning.rfind("memory ran out: a pass takes 1 in place of 16 images", 0), 0U)
      << warning;
  EXPECT_TRUE(final_weights(again, 1) == final_weights(slim, 1));
}

// What was halved stays so for the attempts to come; one that is halved again is halved from there.
TEST_F(Memory, ACheckpointRemembersHowOftenItsMicroBatchWasHalved) {
  json kept = document(kBatch, 1);
  kept["config"]["checkpoint"]["every"] = 1;
  const fs::path first = make_run("first", kept);
  ASSERT_EQ(train(first), 0);
  const auto micro_batch = [&](int halvings) {
    json next = kept;
    next["micro_halvings"] = halvings;
    next["config"]["train"]["steps"] = 2;
    const json sealed = events_of(first, "checkpoint").back();
    next["resume"] = {{{"checkpoint", first / sealed["path"].get<std::string>()},
                       {"step", sealed["step"]},
                       {"manifest_sha256", sealed["manifest_sha256"]}}};
    const fs::path run = make_run("next" + std::to_string(halvings), next);
    EXPECT_EQ(train(run), 0);
    return json::parse(read_file(run / "checkpoints/step-00000002/manifest.json"))["micro_batch"];
  };
  EXPECT_EQ(micro_batch(1), 8);
  EXPECT_EQ(micro_batch(2), 4);
  EXPECT_EQ(micro_batch(9), 1);
}

}  // namespace
}  // namespace sarsweep::tests
