#pragma once

#include <cstdint>
#include <vector>

#include "trainer/torch/training/flat_buffer.h"
#include "trainer/torch/training/trainable.h"

namespace sarsweep::trainer {

struct AdamWTensor;

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
};

// What a step is scaled by; both fp32 scalars on the tensors' device, so that the host need not
// know them to go on.
struct StepScale {
  at::Tensor divisor;  // of the gradients
  at::Tensor finite;   // 0: the step changes nothing
};

// AdamW with decoupled weight decay (trainer/kernels/adamw.h) on all trained tensors without
// exception. A tensor without gradient is neither stepped nor decayed, and its state stays as it
// is. Of each group the weights lie in one buffer, and so do either moments and, where they are
// asked for, narrow copies and gradients, all laid out alike (flat_buffer.h).
class AdamW {
 public:
  // Moves the weights into their buffers.
  AdamW(std::vector<ParameterGroup> groups, AdamWOptions options);

  // The bf16 copies of trained tensors lie in buffers from now on, and a step writes them with the
  // weights.
  void keep_copies(const ComputeCopies& copies);
  // Gradients lie in buffers from now on (groups()[g].gradients), for who sums them over ranks:
  // each is moved there when the backward pass has made it. Without this they stay where they were
  // made, which costs nothing.
  void keep_gradients_together();

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
  struct Slot {  // of one tensor
    std::int64_t steps = 0;
    bool stepping = false;
    ComputeCopy* copy = nullptr;  // written into `narrow`
    at::Tensor narrow;
  };
  struct State {  // of one group
    FlatLayout layout;
    std::vector<Slot> slots;                      // as groups_[g].tensors
    std::vector<at::Tensor> exp_avg, exp_avg_sq;  // likewise; empty before the first step
  };
  void make_moments(std::size_t group);
  AdamWTensor begin_step(std::size_t group, std::size_t i, const at::Tensor& gradient);

  std::vector<ParameterGroup> groups_;
  std::vector<State> states_;  // as groups_
  AdamWOptions options_;
};

// fp64 scalar on the tensors' device, the same whatever the number of threads. At least one tensor,
// fp32.
at::Tensor sum_of_squares(const std::vector<at::Tensor>& tensors);

}  // namespace sarsweep::trainer
