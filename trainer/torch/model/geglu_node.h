#pragma once

#include <ATen/core/Tensor.h>

namespace sarsweep::trainer {

// [..., value | gate] -> value · gelu(gate) [...] (trainer/kernels/geglu.h), a node of the graph.
at::Tensor geglu(const at::Tensor& projected);

// Off the graph, of fp32 rows [n,2·width] on a CPU; the second gives the gradient of the rows.
at::Tensor geglu_rows(const at::Tensor& projected);
at::Tensor geglu_rows_backward(const at::Tensor& of_y, const at::Tensor& projected);

}  // namespace sarsweep::trainer
