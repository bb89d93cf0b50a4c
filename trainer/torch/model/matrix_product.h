#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

// Matrix products off the graph: what the nodes of linear layers are made of. In fp32 on a CPU they
// go to LibTorch's oneDNN wherever it takes them: MKL, which at::mm asks, leaves half of the vector
// unit of an AMD processor idle. Everything else is at::'s. The rounding is fp32's either way.
namespace sarsweep::trainer {

// [..., n] -> [rows, n].
at::Tensor rows_of(const at::Tensor& x);

// Whether oneDNN has the product of these, of `multiplications`, sooner: a small one is over before
// it has found its kernel.
bool is_faster_here(const at::Tensor& a, const at::Tensor& b, std::int64_t multiplications);

// x [n,in], W [out,in], b [out] or none -> x·Wᵀ + b [n,out].
at::Tensor affine(const at::Tensor& x, const at::Tensor& weight,
                  const std::optional<at::Tensor>& bias);

// a [m,k], b [k,n] -> a·b [m,n].
at::Tensor product(const at::Tensor& a, const at::Tensor& b);

// y [m,n] += scale·a·b.
void add_product(at::Tensor& y, const at::Tensor& a, const at::Tensor& b, double scale = 1);

// a [n,m,k], b [n,k,p] -> scale·a·b [n,m,p].
at::Tensor batched_product(const at::Tensor& a, const at::Tensor& b, double scale = 1);

}  // namespace sarsweep::trainer
