#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "trainer/core/config/run_config.h"
#include "trainer/core/data/dataset.h"
#include "trainer/torch/clip/clip_files.h"
#include "trainer/torch/jobs/run_context.h"
#include "trainer/torch/jobs/training_loop.h"
#include "trainer/torch/training/update_rule.h"

namespace sarsweep::trainer {

// What the task needs. The references outlive it.
struct ClipInputs {
  const RunConfig& config;
  const Dataset& data;
  ClipSource& source;
  std::string model_path;  // absolute; becomes the `base` of checkpoints
  std::uint64_t seed = 0;
  std::int64_t updates = 0, micro_batch = 1;
};

// Job clip: both towers of a CLIP model, or one, on pictures and their captions. val/loss is that
// of up to 100 pairs of the val split told from each other.
class ClipTask : public TrainingTask {
 public:
  ClipTask(RunContext& run, const ClipInputs& inputs);
  ~ClipTask() override;

  UpdateReport update(long index) override;
  std::optional<double> validate() override;
  void snapshot(CheckpointContents& contents) override;
  void restore(const CheckpointContents& contents) override;
  UpdateRule& rule();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sarsweep::trainer
