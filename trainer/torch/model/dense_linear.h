#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace sarsweep::trainer {

// x [..., in] -> x·Wᵀ + b [..., out], all of one type: at::linear with its products by
// matrix_product.h. One node of the autograd graph, which cannot be differentiated twice; whatever
// the processor computes no faster so is at::linear itself.
at::Tensor dense_linear(const at::Tensor& x, const at::Tensor& weight,
                        const std::optional<at::Tensor>& bias);

}  // namespace sarsweep::trainer
