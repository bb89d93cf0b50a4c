// Whatever the bytes, a safetensors file is refused with a sentence, or every tensor lies inside
// it. An input that begins with '{' is a header, its last line the data; any other is a whole file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "schema/base/error.h"
#include "trainer/core/files/safetensors.h"

namespace {

std::string framed(std::string_view text) {
  const std::size_t line = text.rfind('\n');
  const std::string_view header = text.substr(0, line);
  const std::uint64_t length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  bytes += header;
  if (line != std::string_view::npos) bytes += text.substr(line + 1);
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sarsweep;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string bytes = input.starts_with('{') ? framed(input) : std::string(input);
  try {
    const trainer::SafetensorsHeader header =
        trainer::parse_safetensors_header(bytes, "fuzz.safetensors");
    for (const trainer::TensorEntry& entry : header.entries) {
      std::size_t elements = 1;
      for (const std::int64_t extent : entry.shape) elements *= static_cast<std::size_t>(extent);
      const bool inside = entry.begin <= entry.end && entry.end <= bytes.size() - header.data_begin;
      if (!inside || elements * trainer::size_of(entry.dtype) != entry.end - entry.begin) {
        std::abort();
      }
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid) std::abort();
  }
  return 0;
}
