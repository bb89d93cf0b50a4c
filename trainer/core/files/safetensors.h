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

enum class DType {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,
  u64,
  u32,
  u16,
  c64,  // complex, two f32
  f8_e5m2,
  f8_e4m3,
  f8_e8m0
};
std::size_t size_of(DType dtype);
std::string_view to_string(DType dtype);  // "F32", …
// What weights are exported in, by the words of export.dtype and --dtype: fp16, bf16, fp32.
const std::map<std::string, DType>& export_dtypes();

struct TensorEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::size_t begin = 0, end = 0;  // bytes, relative to the data's start
};

struct SafetensorsHeader {
  std::vector<TensorEntry> entries;  // in file order
  std::map<std::string, std::string> metadata;
  std::size_t data_begin = 0;  // bytes from the start of the file
};
// The header of a file whose whole content is `bytes`. Throws Error(invalid) with `file` and one
// sentence for every malformed header; afterwards every entry lies inside `bytes`.
SafetensorsHeader parse_safetensors_header(std::string_view bytes, const std::string& file);

// A memory-mapped file. Views stay valid as long as any copy of `mapping` lives.
class SafetensorsFile {
 public:
  // Throws Error(not_found), or Error(invalid) for what parse_safetensors_header refuses.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<TensorEntry>& entries() const { return header_.entries; }  // in file order
  const TensorEntry* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const std::byte* data(const TensorEntry& entry) const;
  std::shared_ptr<const void> mapping() const { return mapping_; }
  // The bytes of an entry while any copy of the handle lives. With the last one the memory behind
  // them goes back to the system (a later look reads the file again), so that a reader of one
  // tensor after the other never holds two.
  std::shared_ptr<const std::byte> borrow(const TensorEntry& entry) const;

 private:
  std::shared_ptr<const void> mapping_;
  const std::byte* start_ = nullptr;
  SafetensorsHeader header_;
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
