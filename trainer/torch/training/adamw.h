#pragma once

#include <vector>

#include "trainer/torch/training/trainable.h"

namespace sarsweep::trainer {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
};

// AdamW with decoupled weight decay (Loshchilov & Hutter, ICLR 2019) as torch.optim.AdamW computes
// it, on all trained tensors without exception. A tensor without gradient is neither stepped nor
// decayed, and its state stays as it is.
class AdamW {
 public:
  AdamW(std::vector<ParameterGroup> groups, AdamWOptions options);

  // One step, each group at its lr times `multiplier`, with its gradients divided by its divisor
  // (fp32 scalar tensor; undefined: 1). `divisors` has one a group, or is empty: 1 for all. Divides
  // the gradients in place.
  void step(double multiplier, const std::vector<at::Tensor>& divisors = {});
  void zero_grad();  // Drops the gradients.
  // The gradients that exist, by trained name.
  NamedTensors gradients() const;
  const std::vector<ParameterGroup>& groups() const { return groups_; }

  // "<trained name>.exp_avg", ".exp_avg_sq", ".step" ([1] fp32) of every tensor stepped so far:
  // copies.
  NamedTensors state() const;
  // The inverse of state(). Throws Error(invalid) for a name that does not train here or another
  // shape.
  void load_state(const NamedTensors& state);

 private:
  struct Slot {  // of one tensor; undefined before its first step
    at::Tensor exp_avg, exp_avg_sq, step;
  };
  std::vector<ParameterGroup> groups_;
  std::vector<std::vector<Slot>> slots_;  // as groups_[g].tensors
  AdamWOptions options_;
};

}  // namespace sarsweep::trainer
