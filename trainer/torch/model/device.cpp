#include "trainer/torch/model/device.h"

#include <ATen/Context.h>
#ifdef SARSWEEP_CUDA
#include <cuda_runtime_api.h>
#endif

#include <string_view>

#include "schema/base/error.h"

namespace sarsweep::trainer {

namespace {

bool is_cuda_name(std::string_view name) {
  if (name == "cuda") return true;
  if (!name.starts_with("cuda:")) return false;
  const std::string_view index = name.substr(5);
  return !index.empty() && index.size() <= 3 &&
         index.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

at::Device device_named(const std::string& wanted) {
  const bool cuda = at::globalContext().hasCUDA();
  if (wanted == "auto") return cuda ? at::Device(at::kCUDA) : at::kCPU;
  if (wanted == "cpu") return at::kCPU;
  if (!is_cuda_name(wanted)) {
    throw Error(ErrorCode::invalid,
                "device is " + wanted + ", which is no device; use auto, cpu, cuda or cuda:<index>",
                "device");
  }
  if (!cuda) {
    throw Error(ErrorCode::invalid,
                "device is " + wanted + " but this machine or build has none; use cpu or auto",
                "device");
  }
  return at::Device(wanted);
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
