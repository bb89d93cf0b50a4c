// One rank of a job that sums in device memory; `mpirun -n N nccl_probe` on N GPUs (or nccl_probe
// alone on one) ends with 0 where sum() keeps its promises, and with 77 where there are too few
// GPUs.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "schema/base/philox.h"
#include "trainer/dist/nccl_communicator.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::trainer;

constexpr int kTooFew = 77;

std::vector<float> numbers_of(int rank, std::size_t count) {
  std::vector<float> values(count);
  RandomStream(7, "probe", static_cast<std::uint64_t>(rank)).fill_normal(values.data(), count);
  return values;
}

std::vector<float> summed_on_device(Communicator& ranks, std::vector<float> values) {
  const std::size_t bytes = values.size() * sizeof(float);
  void* device = nullptr;
  if (cudaMalloc(&device, bytes) != cudaSuccess) return {};
  cudaMemcpy(device, values.data(), bytes, cudaMemcpyHostToDevice);
  ranks.sum({static_cast<float*>(device), values.size()});
  cudaMemcpy(values.data(), device, bytes, cudaMemcpyDeviceToHost);
  cudaFree(device);
  return values;
}

bool sums(Communicator& ranks, std::size_t count) {
  const std::vector<float> result = summed_on_device(ranks, numbers_of(ranks.rank(), count));
  const std::vector<float> again = summed_on_device(ranks, numbers_of(ranks.rank(), count));
  std::vector<double> expected(count);
  for (int rank = 0; rank < ranks.size(); ++rank) {
    const std::vector<float> part = numbers_of(rank, count);
    for (std::size_t i = 0; i < count; ++i) expected[i] += part[i];
  }
  double worst = 0;
  for (std::size_t i = 0; i < count; ++i) {
    worst = std::max(worst, std::abs(double{result.at(i)} - expected[i]));
  }
  const std::string bytes(reinterpret_cast<const char*>(result.data()), count * sizeof(float));
  bool same = result == again;
  for (const std::string& other : ranks.gather(bytes)) same = same && other == bytes;
  if (worst > 1e-5 || !same) {
    std::cerr << count << " numbers: off by " << worst << ", same everywhere: " << same << '\n';
  }
  return worst <= 1e-5 && same;
}

}  // namespace

int main() try {
  const auto host = join_ranks();
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices < host->size()) {
    return host->leave({kTooFew, true, "too few GPUs"});
  }
  cudaSetDevice(host->rank());
  const auto ranks = sum_by_nccl(*host);
  bool fine = ranks->sums_on_device();
  for (const std::size_t count : {1UL, 5UL, 1000UL, 9'000'001UL})
    fine = sums(*ranks, count) && fine;
  fine = !ranks->any(!fine);
  return ranks->leave({fine ? 0 : 1, true, "probed"});
} catch (const std::exception& error) {
  std::cerr << "nccl_probe: " << error.what() << '\n';
  return 1;
}
