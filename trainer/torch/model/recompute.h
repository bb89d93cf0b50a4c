#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace sarsweep::trainer {

// A part of a network: (x, condition) -> y.
using Block = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& condition)>;

// What the backward pass of a block does with its inner activations.
enum class Activations { keep, recompute };

// block(x, condition). `recompute` keeps nothing of a block but its two inputs: the backward pass
// computes it anew. Both ways take the same sums in the same order, so that the gradients are equal
// to the last bit. Whatever `block` captures must outlive the backward pass.
at::Tensor run_block(Activations activations, const at::Tensor& x, const at::Tensor& condition,
                     const Block& block);
// The same of a block without condition.
at::Tensor run_block(Activations activations, const at::Tensor& x,
                     std::function<at::Tensor(const at::Tensor& x)> block);

}  // namespace sarsweep::trainer
