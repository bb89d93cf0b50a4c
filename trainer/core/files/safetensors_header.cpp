#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <tuple>

#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/files/safetensors.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
// A header of the largest size holds about a million entries of four values each.
constexpr JsonLimits kHeaderLimits{
    .depth = 8, .values = 4'000'000, .string_bytes = kMaxHeaderBytes};

struct DTypeName {
  DType dtype;
  std::string_view name;
  std::size_t size;
};
constexpr std::array<DTypeName, 17> kDTypes{{{DType::f64, "F64", 8},
                                             {DType::f32, "F32", 4},
                                             {DType::f16, "F16", 2},
                                             {DType::bf16, "BF16", 2},
                                             {DType::i64, "I64", 8},
                                             {DType::i32, "I32", 4},
                                             {DType::i16, "I16", 2},
                                             {DType::i8, "I8", 1},
                                             {DType::u8, "U8", 1},
                                             {DType::boolean, "BOOL", 1},
                                             {DType::u64, "U64", 8},
                                             {DType::u32, "U32", 4},
                                             {DType::u16, "U16", 2},
                                             {DType::c64, "C64", 8},
                                             {DType::f8_e5m2, "F8_E5M2", 1},
                                             {DType::f8_e4m3, "F8_E4M3", 1},
                                             {DType::f8_e8m0, "F8_E8M0", 1}}};
// Types of the format that no tool for SDXL writes.
constexpr std::array<std::string_view, 5> kOtherDTypes = {"F4", "F6_E2M3", "F6_E3M2", "F8_E5M2FNUZ",
                                                          "F8_E4M3FNUZ"};

const DTypeName& row_of(DType dtype) { return kDTypes.at(static_cast<std::size_t>(dtype)); }

std::optional<DType> parse_dtype(std::string_view name) {
  for (const DTypeName& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

[[noreturn]] void refuse(const std::string& file, const std::string& reason) {
  throw Error(ErrorCode::invalid,
              fmt::format("{} is not a usable safetensors file: {}", file, reason));
}

// The JSON text between the length and the data.
std::string_view header_text(const std::string& file, std::string_view bytes) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) {
    refuse(file, fmt::format("its header claims {} bytes, more than the {} allowed", length,
                             kMaxHeaderBytes));
  }
  if (length > bytes.size() - kLengthBytes) {
    refuse(file, fmt::format("its header claims {} bytes, but only {} follow", length,
                             bytes.size() - kLengthBytes));
  }
  const std::string_view text = bytes.substr(kLengthBytes, length);
  if (text.empty() || text.front() != '{') refuse(file, "its header does not start with '{'");
  return text;
}

class HeaderReader {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}

  std::map<std::string, std::string> metadata(const json& header) const {
    std::map<std::string, std::string> result;
    const auto found = header.find("__metadata__");
    if (found == header.end()) return result;
    if (!found->is_object()) refuse(file_, "its __metadata__ is not an object");
    for (const auto& [key, value] : found->items()) {
      if (!value.is_string()) {
        refuse(file_, fmt::format("its __metadata__ entry \"{}\" is not a string", key));
      }
      result.emplace(key, value.get<std::string>());
    }
    return result;
  }

  TensorEntry entry(const std::string& name, const json& value) const {
    if (!value.is_object()) refuse(file_, fmt::format("tensor \"{}\" is not an object", name));
    TensorEntry result;
    result.name = name;
    result.dtype = dtype(name, value);
    result.shape = shape(name, value);
    const std::vector<std::uint64_t> offsets = unsigned_list(name, value, "data_offsets");
    if (offsets.size() != 2) {
      refuse(file_,
             fmt::format("tensor \"{}\" has {} data_offsets instead of 2", name, offsets.size()));
    }
    if (offsets[1] < offsets[0]) {
      refuse(file_, fmt::format("tensor \"{}\" ends at byte {}, before its begin {}", name,
                                offsets[1], offsets[0]));
    }
    result.begin = offsets[0];
    result.end = offsets[1];
    check_size(result);
    return result;
  }

  // Neither holes nor overlaps: every byte of the data belongs to exactly one tensor.
  void check_cover(const std::vector<TensorEntry>& entries, std::size_t data_bytes) const {
    std::size_t expected = 0;
    for (const TensorEntry& entry : entries) {
      if (entry.begin != expected) {
        refuse(file_, fmt::format("tensor \"{}\" begins at byte {} where {} is expected ({})",
                                  entry.name, entry.begin, expected,
                                  entry.begin > expected ? "a hole" : "an overlap"));
      }
      expected = entry.end;
    }
    if (expected != data_bytes) {
      refuse(file_, fmt::format("its tensors take {} bytes, but the data has {}{}", expected,
                                data_bytes, expected > data_bytes ? " (truncated?)" : ""));
    }
  }

 private:
  const json& member(const std::string& name, const json& value, const char* key) const {
    const auto found = value.find(key);
    if (found == value.end()) refuse(file_, fmt::format("tensor \"{}\" has no {}", name, key));
    return *found;
  }

  DType dtype(const std::string& name, const json& value) const {
    const json& text = member(name, value, "dtype");
    if (!text.is_string())
      refuse(file_, fmt::format("tensor \"{}\" has a dtype that is no string", name));
    const auto& spelled = text.get_ref<const std::string&>();
    const std::optional<DType> parsed = parse_dtype(spelled);
    if (std::find(kOtherDTypes.begin(), kOtherDTypes.end(), spelled) != kOtherDTypes.end()) {
      refuse(file_,
             fmt::format("tensor \"{}\" has the dtype {}, which is not supported", name, spelled));
    }
    if (!parsed) {
      refuse(file_, fmt::format("tensor \"{}\" has the unknown dtype {}", name, text.dump()));
    }
    return *parsed;
  }

  std::vector<std::uint64_t> unsigned_list(const std::string& name, const json& value,
                                           const char* key) const {
    const json& list = member(name, value, key);
    if (!list.is_array())
      refuse(file_, fmt::format("tensor \"{}\" has {} that is no list", name, key));
    std::vector<std::uint64_t> result;
    for (const json& item : list) {
      if (!item.is_number_unsigned()) {
        refuse(file_, fmt::format("tensor \"{}\" has {} in its {}, not a whole number >= 0", name,
                                  item.dump(), key));
      }
      result.push_back(item.get<std::uint64_t>());
    }
    return result;
  }

  std::vector<std::int64_t> shape(const std::string& name, const json& value) const {
    std::vector<std::int64_t> result;
    for (const std::uint64_t extent : unsigned_list(name, value, "shape")) {
      if (extent > static_cast<std::uint64_t>(INT64_MAX)) {
        refuse(file_, fmt::format("tensor \"{}\" has an extent of {}", name, extent));
      }
      result.push_back(static_cast<std::int64_t>(extent));
    }
    return result;
  }

  void check_size(const TensorEntry& entry) const {
    std::size_t bytes = size_of(entry.dtype);
    for (const std::int64_t extent : entry.shape) {
      if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(extent), &bytes)) {
        refuse(file_, fmt::format("tensor \"{}\" has a shape whose size overflows", entry.name));
      }
    }
    if (bytes != entry.end - entry.begin) {
      refuse(file_,
             fmt::format("tensor \"{}\" needs {} bytes by its shape, but its offsets span {}",
                         entry.name, bytes, entry.end - entry.begin));
    }
  }

  const std::string& file_;
};

}  // namespace

std::size_t size_of(DType dtype) { return row_of(dtype).size; }
std::string_view to_string(DType dtype) { return row_of(dtype).name; }

const std::map<std::string, DType>& export_dtypes() {
  static const std::map<std::string, DType> types = {
      {"fp16", DType::f16}, {"bf16", DType::bf16}, {"fp32", DType::f32}};
  return types;
}

SafetensorsHeader parse_safetensors_header(std::string_view bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    refuse(file,
           fmt::format("it has {} bytes, and the header's length alone takes 8", bytes.size()));
  }
  const std::string_view text = header_text(file, bytes);
  const json document = parse_json(text, "the header of " + file, kHeaderLimits);
  const HeaderReader reader(file);
  SafetensorsHeader header;
  header.metadata = reader.metadata(document);
  for (const auto& [name, value] : document.items()) {
    if (name != "__metadata__") header.entries.push_back(reader.entry(name, value));
  }
  std::sort(header.entries.begin(), header.entries.end(),
            [](const TensorEntry& a, const TensorEntry& b) {
              return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
            });
  header.data_begin = kLengthBytes + text.size();
  reader.check_cover(header.entries, bytes.size() - header.data_begin);
  return header;
}

}  // namespace sarsweep::trainer
