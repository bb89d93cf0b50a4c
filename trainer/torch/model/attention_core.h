#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

// softmax(q·kᵀ/√D)·v by head, off the graph: what attention's nodes of the graph are made of.
namespace sarsweep::trainer {

enum class Mask { none, causal };

// q [B,S,H,D], k and v [B,T,H,D]; any strides, but D's elements lie side by side.
struct Projections {
  at::Tensor q, k, v;
};

// Whether all scores of these are few enough to be kept for the backward pass, and the products
// large enough (matrix_product.h), to beat a flash kernel.
bool keeps_scores(const at::Tensor& q, const at::Tensor& k, Mask mask);

// The result and what the backward pass wants. In fp32 on a CPU; elsewhere use
// at::scaled_dot_product_attention.
struct AttentionPass {
  at::Tensor y;        // [B,S,H,D]
  Projections inputs;  // as the backward pass wants them
  at::Tensor scores;   // [B·H,S,T] after the softmax, or of the flash kernel: the logarithms' sums
};
AttentionPass attention_forward(const Projections& inputs, Mask mask);

// From the gradient of y to those of q, k and v, in their shapes.
Projections attention_backward(const AttentionPass& pass, const at::Tensor& grad, Mask mask);

}  // namespace sarsweep::trainer
