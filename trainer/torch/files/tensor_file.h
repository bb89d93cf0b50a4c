#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "trainer/core/files/safetensors.h"
#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

at::ScalarType scalar_type(DType dtype);
DType dtype_of(at::ScalarType scalar);  // Throws Error(invalid) for a type the format lacks.

// One tensor, owned, contiguous, on the CPU, in its stored dtype; no alias of the mapping.
at::Tensor read_tensor(const SafetensorsFile& file, const TensorEntry& entry);

// Tensors of a safetensors file. load: views of the mapping converted to owned tensors of their
// stored dtype. save: contiguous copies one at a time, converted to `dtype` if floating.
NamedTensors load_tensors(const std::filesystem::path& file);
void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors, DType dtype,
                  std::map<std::string, std::string> metadata = {});
// Each tensor in its own type.
void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors,
                  std::map<std::string, std::string> metadata = {});

}  // namespace sarsweep::trainer
