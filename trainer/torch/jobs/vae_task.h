#pragma once

#include <memory>

#include "trainer/torch/jobs/run_context.h"
#include "trainer/torch/jobs/task_inputs.h"
#include "trainer/torch/jobs/training_loop.h"

namespace sarsweep::trainer {

// Job vae: the whole autoencoder on pixels. After the last update the scaling factor becomes 1 over
// the standard deviation of the training split's latents, so that what the UNet sees has unit
// variance.
class VaeTask : public TrainingTask {
 public:
  VaeTask(RunContext& run, const TaskInputs& inputs);
  ~VaeTask() override;

  UpdateReport update(long index) override;
  std::optional<double> validate() override;
  void snapshot(CheckpointContents& contents) override;
  void restore(const CheckpointContents& contents) override;
  void finish() override;
  UpdateRule& rule();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sarsweep::trainer
