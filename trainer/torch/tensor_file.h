#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "trainer/core/safetensors.h"
#include "trainer/torch/component.h"

namespace sarsweep::trainer {

// Tensors of a safetensors file. load: views of the mapping converted to owned tensors of their stored
// dtype. save: contiguous copies one at a time, converted to `dtype` if floating.
NamedTensors load_tensors(const std::filesystem::path& file);
void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors, DType dtype,
                  std::map<std::string, std::string> metadata = {});

}  // namespace sarsweep::trainer
