#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "schema/base/error.h"
#include "trainer/kernels/adamw.h"
#include "trainer/kernels/adamw_scalars.h"
#include "trainer/kernels/narrow.h"

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kBlockNumbers = 65536;  // of one tensor, stepped by one block
constexpr int kThreads = 512;

// The part of a tensor that one block steps.
struct Part {
  AdamWTensor tensor;
  AdamWScalars by;
  std::int64_t begin, end;
};

// Every thread of a block takes every kThreads-th number of its part.
__global__ void step_parts(const Part* parts, AdamWScale scale) {
  if (*scale.finite == 0) return;
  const Part& part = parts[blockIdx.x];
  const AdamWTensor& at = part.tensor;
  const AdamWScalars& by = part.by;
  const float divisor = *scale.divisor;
  for (std::int64_t i = part.begin + threadIdx.x; i < part.end; i += kThreads) {
    const float g = at.gradient[i] / divisor;
    const float m = at.exp_avg[i] + by.of_gradient * (g - at.exp_avg[i]);
    const float v = by.beta2 * at.exp_avg_sq[i] + by.of_square * g * g;
    at.exp_avg[i] = m;
    at.exp_avg_sq[i] = v;
    const float root = sqrtf(v) / by.root_correction + by.eps;
    const float weight = at.weight[i] * by.keep - by.step_size * m / root;
    at.weight[i] = weight;
    if (at.narrow != nullptr) at.narrow[i] = nearest_bf16(weight);
  }
}

void check(cudaError_t result) {
  if (result == cudaSuccess) return;
  throw Error(ErrorCode::internal, std::string("AdamW on the GPU: ") + cudaGetErrorString(result));
}

std::vector<Part> parts_of(std::span<const AdamWTensor> tensors, const AdamWRates& rates) {
  std::vector<Part> parts;
  for (const AdamWTensor& tensor : tensors) {
    const AdamWScalars by(rates, tensor.step);
    for (std::int64_t begin = 0; begin < tensor.size; begin += kBlockNumbers) {
      parts.push_back({tensor, by, begin, std::min(begin + kBlockNumbers, tensor.size)});
    }
  }
  return parts;
}

}  // namespace

// The table's memory comes from and goes back to the stream's own order; a copy from pageable
// memory has left it when the call returns.
void adamw_on_device(std::span<const AdamWTensor> tensors, const AdamWRates& rates,
                     const AdamWScale& scale, void* stream) {
  const std::vector<Part> parts = parts_of(tensors, rates);
  if (parts.empty()) return;
  auto* const order = static_cast<cudaStream_t>(stream);
  const std::size_t bytes = parts.size() * sizeof(Part);
  void* table = nullptr;
  check(cudaMallocAsync(&table, bytes, order));
  check(cudaMemcpyAsync(table, parts.data(), bytes, cudaMemcpyHostToDevice, order));
  step_parts<<<static_cast<unsigned>(parts.size()), kThreads, 0, order>>>(
      static_cast<const Part*>(table), scale);
  check(cudaGetLastError());
  check(cudaFreeAsync(table, order));
}

}  // namespace sarsweep::trainer
