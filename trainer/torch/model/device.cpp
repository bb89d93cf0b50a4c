#include "trainer/torch/model/device.h"

#include <ATen/Context.h>
#ifdef SARSWEEP_CUDA
#include <cuda_runtime_api.h>
#endif

#include "schema/base/error.h"

namespace sarsweep::trainer {

at::Device device_named(const std::string& wanted) {
  const bool cuda = at::globalContext().hasCUDA();
  if (wanted.starts_with("cuda") && !cuda) {
    throw Error(ErrorCode::invalid,
                "device is " + wanted + " but this machine or build has none; use cpu or auto",
                "device");
  }
  if (wanted == "cpu" || !cuda) return at::kCPU;
  return wanted == "auto" ? at::Device(at::kCUDA) : at::Device(wanted);
}

std::string device_model(at::Device device) {
#ifdef SARSWEEP_CUDA
  int index = device.index();
  cudaDeviceProp properties{};
  const bool known = device.is_cuda() && (index >= 0 || cudaGetDevice(&index) == cudaSuccess) &&
                     cudaGetDeviceProperties(&properties, index) == cudaSuccess;
  if (known) return static_cast<const char*>(properties.name);
#endif
  return device.is_cpu() ? "cpu" : device.str();
}

void keep_fp32_whole() {
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
}

}  // namespace sarsweep::trainer
