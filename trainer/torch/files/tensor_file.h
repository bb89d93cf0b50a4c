#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "trainer/core/files/safetensors.h"
#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

at::ScalarType scalar_type(DType dtype);
DType dtype_of(at::ScalarType scalar);  // Throws Error(invalid) for a type the format lacks.

// One tensor, owned, contiguous, on the CPU, in its stored dtype; no alias of the mapping.
at::Tensor read_tensor(const SafetensorsFile& file, const TensorEntry& entry);

// The same without a copy where the data is aligned: it may lie in the mapping, which it keeps
// alive, and must not be written to. The memory goes back when the last copy of the tensor does.
at::Tensor view_tensor(const SafetensorsFile& file, const TensorEntry& entry);

// Tensors of a safetensors file. load: views of the mapping converted to owned tensors of their
// stored dtype. save: contiguous copies one at a time, converted to `dtype` if floating.
NamedTensors load_tensors(const std::filesystem::path& file);
void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors, DType dtype,
                  std::map<std::string, std::string> metadata = {});
// `count` tensors that are made one at a time: `entry(i)` says what tensor i becomes in the file,
// `fetch(i)` is called once, when its turn comes, and converted if it is of another type.
void save_streamed(const std::filesystem::path& file, std::size_t count,
                   const std::function<TensorToWrite(std::size_t)>& entry,
                   const std::function<at::Tensor(std::size_t)>& fetch,
                   std::map<std::string, std::string> metadata = {});
// Each tensor in its own type.
void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors,
                  std::map<std::string, std::string> metadata = {});

}  // namespace sarsweep::trainer
