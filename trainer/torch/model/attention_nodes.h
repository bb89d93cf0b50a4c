#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "trainer/torch/model/attention_core.h"

// Attention as a node of the autograd graph, which cannot be differentiated twice.
namespace sarsweep::trainer {

// q [B,S,H·D], k and v [B,T,H·D] -> [B,S,H·D].
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads,
                  Mask mask);

}  // namespace sarsweep::trainer
