#include "trainer/torch/files/tensor_file.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

struct ScalarOf {
  DType dtype;
  at::ScalarType scalar;
};
constexpr std::array<ScalarOf, 10> kScalars{{{DType::f64, at::kDouble},
                                             {DType::f32, at::kFloat},
                                             {DType::f16, at::kHalf},
                                             {DType::bf16, at::kBFloat16},
                                             {DType::i64, at::kLong},
                                             {DType::i32, at::kInt},
                                             {DType::i16, at::kShort},
                                             {DType::i8, at::kChar},
                                             {DType::u8, at::kByte},
                                             {DType::boolean, at::kBool}}};

// `floating`: what floating tensors are converted to; absent: kept.
void save_as(const std::filesystem::path& file, const NamedTensors& tensors,
             std::optional<DType> floating, std::map<std::string, std::string> metadata) {
  std::vector<TensorToWrite> entries;
  entries.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const bool converted = floating && tensor.is_floating_point();
    entries.push_back(
        {name, converted ? *floating : dtype_of(tensor.scalar_type()), tensor.sizes().vec()});
  }
  at::Tensor held;  // keeps the bytes of the tensor being written
  const auto fetch = [&](std::size_t i) -> const void* {
    held = tensors[i].second.detach().to(at::kCPU, scalar_type(entries[i].dtype)).contiguous();
    return held.const_data_ptr();
  };
  write_safetensors(file, entries, fetch, std::move(metadata));
}

}  // namespace

at::ScalarType scalar_type(DType dtype) {
  return kScalars.at(static_cast<std::size_t>(dtype)).scalar;
}

DType dtype_of(at::ScalarType scalar) {
  for (const ScalarOf& row : kScalars) {
    if (row.scalar == scalar) return row.dtype;
  }
  throw Error(ErrorCode::invalid, fmt::format("safetensors files do not hold tensors of type {}",
                                              c10::toString(scalar)));
}

at::Tensor read_tensor(const SafetensorsFile& file, const TensorEntry& entry) {
  at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(scalar_type(entry.dtype)));
  // A copy by bytes: the data of older files is not aligned to its element size.
  if (entry.end != entry.begin) {
    std::memcpy(tensor.mutable_data_ptr(), file.data(entry), entry.end - entry.begin);
  }
  return tensor;
}

NamedTensors load_tensors(const std::filesystem::path& file) {
  const SafetensorsFile source(file);
  NamedTensors result;
  result.reserve(source.entries().size());
  for (const TensorEntry& entry : source.entries()) {
    result.emplace_back(entry.name, read_tensor(source, entry));
  }
  return result;
}

void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors, DType dtype,
                  std::map<std::string, std::string> metadata) {
  save_as(file, tensors, dtype, std::move(metadata));
}

void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors,
                  std::map<std::string, std::string> metadata) {
  save_as(file, tensors, std::nullopt, std::move(metadata));
}

}  // namespace sarsweep::trainer
