#pragma once

#include <memory>

#include "trainer/dist/communicator.h"

namespace sarsweep::trainer {

// The ranks of `host`, with sum() in the memory of each process's current CUDA device, by NCCL;
// every other call is host's, which outlives the result. All ranks must call it, each on a device
// of its own. sum() runs on the default stream, after what was queued there, and returns when it is
// done; the order of addition is NCCL's own choice, the same at every repetition on the same
// devices. Where NCCL fails or takes 2 minutes it throws Error(unreachable). A build without CUDA
// throws Error(invalid).
std::unique_ptr<Communicator> sum_by_nccl(Communicator& host);

}  // namespace sarsweep::trainer
