#pragma once

#include <functional>
#include <optional>

#include <nlohmann/json.hpp>

#include "trainer/core/schedule/training_window.h"
#include "trainer/torch/files/checkpoint.h"
#include "trainer/torch/jobs/run_context.h"

namespace sarsweep::trainer {

// One kind of training, as the loop drives it.
class TrainingTask {
 public:
  virtual ~TrainingTask() = default;
  // The images of update `index` (from 0), shared between the ranks: forward, backward, optimizer.
  // A pure function of the state, `index` and the number of ranks; the same report and the same
  // weights on all ranks.
  virtual UpdateReport update(long index) = 0;
  // val/loss; nullopt where there is no val split. Of rank 0 alone.
  virtual std::optional<double> validate() = 0;
  // Weights, optimizer, ema and model of the checkpoint, of rank 0; restore is the inverse, on all.
  virtual void snapshot(CheckpointContents& contents) = 0;
  virtual void restore(const CheckpointContents& contents) = 0;
  // After the last update, before its checkpoint.
  virtual void finish() {}
};

struct LoopPlan {
  long total = 0;             // updates
  long checkpoint_every = 0;  // in updates; 0: at the end alone
  nlohmann::json facts;       // for the manifests: config_hash, threads, micro_batch, world_size
  // Called at a boundary after `step` updates; samples and evaluations on the way are made here. An
  // Error(busy) after a stop was asked for breaks them off: they are made again on resume.
  std::function<void(long step)> between;
};

// The checkpoint that run.json's `resume` leads to, or nullopt: start at step 0. Damaged ones are
// told as warnings. Throws Error(invalid) if it was made with another config.
std::optional<SealedCheckpoint> find_resume(RunContext& run, const std::string& config_hash);

enum class LoopEnd { finished, stopped, diverged };

// Runs updates start … total-1 on every rank: curves, val/loss, checkpoints (every so many updates,
// at the end, when any rank got SIGTERM or SIGUSR1) by rank 0. `stopped`: after a checkpoint, by
// SIGTERM. All ranks come to the same end.
LoopEnd run_training_loop(RunContext& run, TrainingTask& task, const LoopPlan& plan,
                          const std::optional<SealedCheckpoint>& resume);

}  // namespace sarsweep::trainer
