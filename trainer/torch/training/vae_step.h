#pragma once

#include <cstdint>

#include "trainer/core/config/run_config.h"
#include "trainer/core/images/amplitude.h"
#include "trainer/torch/training/micro_losses.h"
#include "trainer/torch/training/train_batch.h"
#include "trainer/torch/training/update_rule.h"

namespace sarsweep::trainer {

// The training step of job vae: loss_i = mean |decode(z) - x| + vae.kl_weight * KL_i, z drawn from
// the posterior with the supplied noise, KL_i summed over the latent (diffusers' AutoencoderKL
// training); plus the weighted refinement terms, where any has a weight.
class VaeStep {
 public:
  VaeStep(Pipeline& pipeline, const RunConfig& config, LrSchedule schedule, std::uint64_t seed);

  MicroLosses micro(const TrainBatch& batch, std::int64_t images_of_update);  // reads pixels
  MicroLosses losses(const TrainBatch& batch);
  UpdateRule& rule() { return rule_; }
  const UpdateRule& rule() const { return rule_; }

 private:
  MicroLosses forward(const TrainBatch& batch) const;  // with graph

  Pipeline& pipeline_;
  VaeTraining config_;
  Stretch stretch_;  // its kind and window; the reference is never read
  UpdateRule rule_;
};

}  // namespace sarsweep::trainer
