#pragma once

#include <memory>

#include "trainer/torch/jobs/run_context.h"
#include "trainer/torch/jobs/task_inputs.h"
#include "trainer/torch/jobs/training_loop.h"

namespace sarsweep::trainer {

// Job diffusion: UNet, text encoders and the VAE's decoder on cached latents.
class DiffusionTask : public TrainingTask {
 public:
  DiffusionTask(RunContext& run, const TaskInputs& inputs);
  ~DiffusionTask() override;

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
