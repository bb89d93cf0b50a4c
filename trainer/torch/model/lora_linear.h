#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// x [..., in] -> x·Wᵀ + b + scale·(x·Aᵀ)·Bᵀ [..., out] of a linear layer that has an adapter. While
// W is frozen this is one node of the autograd graph, which keeps only x and x·Aᵀ for the backward
// pass; it cannot be differentiated twice.
at::Tensor lora_linear(const at::Tensor& x, const Layer& layer);

}  // namespace sarsweep::trainer
