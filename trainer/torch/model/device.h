#pragma once

#include <string>

#include <c10/core/Device.h>

namespace sarsweep::trainer {

// "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:<index>". Throws Error(invalid) for any
// other name, or for a GPU that this machine or build does not have.
at::Device device_named(const std::string& wanted);

// What its maker calls a GPU, such as "NVIDIA H200"; "cpu" of a processor.
std::string device_model(at::Device device);

// From now on fp32 is fp32: without this a GPU's convolutions round their inputs to TF32's 10 bits.
void keep_fp32_whole();

}  // namespace sarsweep::trainer
