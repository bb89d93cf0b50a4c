#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <c10/core/DeviceGuard.h>
#include <nlohmann/json.hpp>

#include "trainer/core/config/run_config.h"
#include "trainer/core/data/dataset.h"
#include "trainer/torch/jobs/job.h"
#include "trainer/torch/jobs/run_context.h"
#include "trainer/torch/jobs/training_loop.h"

namespace sarsweep::trainer {

// What a job of any kind starts from: its config and data, the checkpoint it goes on from, and how
// it computes. Confined to the main thread.
class JobBasis {
 public:
  // Reads config, training split and resume point. Throws Error(invalid).
  explicit JobBasis(RunContext& run);

  // Micro batch and threads for the whole run: a resumed one keeps what it began with, since sums
  // depend on them.
  void settle();
  // Tells the digests of data and model, and that all ranks have the same. Throws Error(internal).
  void agree_on(const std::string& model_digest);
  // Where this rank computes, from here on. Throws Error(invalid) for a device that is not there.
  at::Device settle_device();
  // Trains `task`; `between` as in LoopPlan. nullopt: to the last update.
  std::optional<JobOutcome> train(TrainingTask& task, std::function<void(long)> between);

  RunContext& run() const { return run_; }
  const RunConfig& config() const { return config_; }
  const Dataset& data() const { return data_; }
  const std::optional<SealedCheckpoint>& resume() const { return resume_; }
  std::int64_t updates() const { return updates_; }
  std::int64_t micro_batch() const { return micro_batch_; }
  // Whether what happens every `interval` does after `step` updates.
  bool due(const Interval& interval, long step) const;
  std::string absolute_model_path() const;

 private:
  double updates_per_epoch() const;
  LoopPlan loop_plan(std::function<void(long)> between) const;
  void settle_micro_batch();
  void settle_threads();
  int threads_kept(int threads, int before);

  RunContext& run_;
  RunConfig config_;
  Dataset data_;
  std::string config_hash_;
  std::optional<SealedCheckpoint> resume_;
  std::int64_t updates_, micro_batch_;
  int threads_ = 1;
  c10::OptionalDeviceGuard device_guard_;  // "cuda" means this rank's device while it lives
};

}  // namespace sarsweep::trainer
