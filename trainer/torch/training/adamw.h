#pragma once

#include <cstdint>
#include <vector>

#include "trainer/torch/training/trainable.h"

namespace sarsweep::trainer {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
};

// What a step is scaled by; both fp32 scalars on the tensors' device, so that the host need not
// know them to go on.
struct StepScale {
  at::Tensor divisor;  // of the gradients
  at::Tensor finite;   // 0: the step changes nothing
};

// AdamW with decoupled weight decay (trainer/cuda/adamw.h) on all trained tensors without
// exception. A tensor without gradient is neither stepped nor decayed, and its state stays as it
// is.
class AdamW {
 public:
  AdamW(std::vector<ParameterGroup> groups, AdamWOptions options);

  // One step, each group at its lr times `multiplier` and by its scale (one a group). It has not
  // been taken before settle() says whether it was finite.
  void step(double multiplier, const std::vector<StepScale>& scales);
  void settle(bool finite);
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
    at::Tensor exp_avg, exp_avg_sq;
    std::int64_t steps = 0;
    bool stepping = false;
  };
  std::vector<ParameterGroup> groups_;
  std::vector<std::vector<Slot>> slots_;  // as groups_[g].tensors
  AdamWOptions options_;
};

// fp64 scalar on the tensors' device, the same whatever the number of threads. At least one tensor,
// fp32.
at::Tensor sum_of_squares(const std::vector<at::Tensor>& tensors);

}  // namespace sarsweep::trainer
