#include "trainer/torch/files/tensor_file.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
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
constexpr std::array<ScalarOf, 17> kScalars{{{DType::f64, at::kDouble},
                                             {DType::f32, at::kFloat},
                                             {DType::f16, at::kHalf},
                                             {DType::bf16, at::kBFloat16},
                                             {DType::i64, at::kLong},
                                             {DType::i32, at::kInt},
                                             {DType::i16, at::kShort},
                                             {DType::i8, at::kChar},
                                             {DType::u8, at::kByte},
                                             {DType::boolean, at::kBool},
                                             {DType::u64, at::kUInt64},
                                             {DType::u32, at::kUInt32},
                                             {DType::u16, at::kUInt16},
                                             {DType::c64, at::kComplexFloat},
                                             {DType::f8_e5m2, at::kFloat8_e5m2},
                                             {DType::f8_e4m3, at::kFloat8_e4m3fn},
                                             {DType::f8_e8m0, at::kFloat8_e8m0fnu}}};

// `floating`: what floating tensors are converted to; absent: kept.
void save_as(const std::filesystem::path& file, const NamedTensors& tensors,
             std::optional<DType> floating, std::map<std::string, std::string> metadata) {
  save_streamed(
      file, tensors.size(),
      [&](std::size_t i) {
        const auto& [name, tensor] = tensors[i];
        const bool converted = floating && tensor.is_floating_point();
        return TensorToWrite{name, converted ? *floating : dtype_of(tensor.scalar_type()),
                             tensor.sizes().vec()};
      },
      [&](std::size_t i) { return tensors[i].second; }, std::move(metadata));
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
    std::memcpy(tensor.mutable_data_ptr(), file.borrow(entry).get(), entry.end - entry.begin);
  }
  return tensor;
}

at::Tensor view_tensor(const SafetensorsFile& file, const TensorEntry& entry) {
  const std::size_t alignment = size_of(entry.dtype);
  const bool aligned = reinterpret_cast<std::uintptr_t>(file.data(entry)) % alignment == 0;
  if (!aligned || entry.begin == entry.end) return read_tensor(file, entry);
  const std::shared_ptr<const std::byte> bytes = file.borrow(entry);
  // from_blob knows no constant memory.
  return at::from_blob(
      const_cast<std::byte*>(bytes.get()), entry.shape, [bytes](void*) {},
      at::TensorOptions().dtype(scalar_type(entry.dtype)));
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

void save_streamed(const std::filesystem::path& file, std::size_t count,
                   const std::function<TensorToWrite(std::size_t)>& entry,
                   const std::function<at::Tensor(std::size_t)>& fetch,
                   std::map<std::string, std::string> metadata) {
  std::vector<TensorToWrite> entries;
  entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) entries.push_back(entry(i));
  at::Tensor held;  // keeps the bytes of the tensor being written
  const auto bytes_of = [&](std::size_t i) -> const void* {
    held.reset();  // Before the next one is made: one at a time.
    held = fetch(i).detach().to(at::kCPU, scalar_type(entries[i].dtype)).contiguous();
    return held.const_data_ptr();
  };
  write_safetensors(file, entries, bytes_of, std::move(metadata));
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
