#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// The safetensors container: u64 little-endian header length, JSON header, row-major data.
// Torch-free. Format and the refusals: huggingface/safetensors, and docs of the format.
namespace sarsweep::trainer {

enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };
std::size_t size_of(DType dtype);
std::string_view to_string(DType dtype);  // "F32", …

struct TensorEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::size_t begin = 0, end = 0;  // bytes, relative to the data's start
};

// A memory-mapped file. Views stay valid as long as any copy of `mapping` lives.
class SafetensorsFile {
 public:
  // Throws Error(invalid) with the path and one sentence for every malformed header.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<TensorEntry>& entries() const { return entries_; }  // in file order
  const TensorEntry* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::byte* data(const TensorEntry& entry) const;
  std::shared_ptr<const void> mapping() const { return mapping_; }

 private:
  std::shared_ptr<const void> mapping_;
  const std::byte* start_ = nullptr;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

// Writes tensor by tensor: `fetch(i)` is called once per entry, in the order the file needs them,
// and returns that entry's bytes, valid until the next call. Sorted by alignment, then name;
// metadata sorted, {"format": "pt"} always present; temporary file, fsync, rename. Equal input,
// equal bytes.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
};
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
                       const std::function<const void*(std::size_t)>& fetch,
                       std::map<std::string, std::string> metadata = {});

}  // namespace sarsweep::trainer
