#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "trainer/torch/model/attention_core.h"

// Attention as nodes of the autograd graph, which cannot be differentiated twice.
namespace sarsweep::trainer {

// q [B,S,H·D], k and v [B,T,H·D] -> [B,S,H·D].
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads,
                  Mask mask);

// The same of x·Wqᵀ, context·Wkᵀ and context·Wvᵀ, weights [H·D, in], fp32 on a CPU: one node, with
// one product for all projections of the same rows. Weights that lie one after another are
// multiplied where they lie (Component::add_adjacent).
at::Tensor project_and_attend(const at::Tensor& x, const at::Tensor& context,
                              const Projections& weights, std::int64_t heads, Mask mask);

}  // namespace sarsweep::trainer
