#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "trainer/core/schedule/lr_schedule.h"
#include "trainer/torch/training/adamw.h"

namespace sarsweep::trainer {

struct UpdateOutcome {
  double grad_norm = 0;                          // over all trained tensors, before clipping
  bool finite = true;                            // false: a gradient was not; nothing was changed
  std::map<std::string, double> learning_rates;  // by group
};

// From accumulated gradients to new weights: norm, clipping, AdamW at the learning rate of the
// update's index, averaged weights.
class UpdateRule {
 public:
  UpdateRule(std::vector<ParameterGroup> groups, const TrainConfig& config, LrSchedule schedule);

  // Takes update `index` (from 0) with the gradients that backward left, then drops them. Clips by
  // clip_norm / (norm + 1e-6) where that is below 1, as torch.nn.utils.clip_grad_norm_ does; with
  // clip_scope by_part the group "vae" by its own norm and all others by theirs. An update without
  // any gradient (the decoder alone trains, and no sample was late) changes nothing but averages.
  // `loss`, one number on the model's device or undefined, must be finite, too. The host waits for
  // the device once, when everything is under way.
  UpdateOutcome apply(std::int64_t index, const at::Tensor& loss = {});
  // Drops the gradients without an update.
  void discard() { optimizer_.zero_grad(); }

  const std::vector<ParameterGroup>& groups() const { return optimizer_.groups(); }
  NamedTensors weights() const { return all_tensors(groups()); }  // the live tensors
  AdamW& optimizer() { return optimizer_; }

  // Averaged weights by trained name; empty without train.ema_decay. As diffusers' EMAModel: after
  // update 0 they are the weights, after update s they keep min(ema_decay, (1 + s) / (10 + s)) of
  // themselves.
  const NamedTensors& averages() const { return averages_; }
  void load_averages(const NamedTensors& averages);

 private:
  void average(std::int64_t index);

  struct Norms {
    at::Tensor whole, finite;  // fp64 and fp32 scalars; undefined without any gradient
    std::vector<StepScale> of_groups;
  };
  Norms measure(const at::Tensor& loss) const;

  AdamW optimizer_;
  double clip_norm_;
  bool clip_by_part_;
  std::optional<double> ema_decay_;
  LrSchedule schedule_;
  NamedTensors averages_;
};

}  // namespace sarsweep::trainer
