#pragma once

#include <cstdint>
#include <vector>

#include "trainer/dist/communicator.h"
#include "trainer/torch/training/trainable.h"

namespace sarsweep::trainer {

// Every rank's gradients become the sum over the ranks, the same bytes on each. A tensor without
// gradient counts as zeros where another rank has one, and stays without where none has: then it is
// neither stepped nor decayed, as with a single process. Gradients travel as fp32 in pieces of
// about `bucket` numbers (25 MB): where they lie, if they are kept together
// (AdamW::keep_gradients_together), else in buffers that they are gathered into. `loss`, an fp32
// scalar on the model's device, is summed, too. Nothing happens with one rank.
void sum_gradients(Communicator& ranks, const std::vector<ParameterGroup>& groups, at::Tensor& loss,
                   std::int64_t bucket = 6'250'000);

}  // namespace sarsweep::trainer
