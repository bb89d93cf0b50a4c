#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// AdamW (Loshchilov & Hutter, ICLR 2019) over many tensors at once, in fp32, as torch.optim.AdamW
// computes it:
//   w -= lr·decay·w;  m += (1 - β1)(g - m);  v = β2·v + (1 - β2)g²;
//   w -= lr / (1 - β1^t) · m / (√v / √(1 - β2^t) + eps),
// g the gradient divided by what its norm is clipped by.
namespace sarsweep::trainer {

struct AdamWRates {
  double lr = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
};

// One tensor, of `size` numbers each. The pointers are the host's, or the device's for the kernel.
struct AdamWTensor {
  float *weight = nullptr, *exp_avg = nullptr, *exp_avg_sq = nullptr;
  const float* gradient = nullptr;
  std::int64_t size = 0;
  std::int64_t step = 1;            // t: the steps it has taken, this one included
  std::uint16_t* narrow = nullptr;  // receives the new weight as bf16 (narrow.h), if anything
};

// What the host need not know before the step: read where the tensors are.
struct AdamWScale {
  const float* divisor = nullptr;  // of the gradients
  const float* finite = nullptr;   // 0: nothing changes
};

// Numbers [begin, end) of `tensor`: the twin of what a block of the kernel does.
void adamw(const AdamWTensor& tensor, std::int64_t begin, std::int64_t end, const AdamWRates& rates,
           const AdamWScale& scale);

// The sum of squares of [begin, end), in double.
double sum_of_squares(const float* values, std::int64_t begin, std::int64_t end);

#ifdef SARSWEEP_CUDA
// All of `tensors` in one launch on `stream` (a cudaStream_t), which the host does not wait for.
// Throws Error(internal) where the launch fails.
void adamw_on_device(std::span<const AdamWTensor> tensors, const AdamWRates& rates,
                     const AdamWScale& scale, void* stream);
#endif

}  // namespace sarsweep::trainer
