// Whatever the bytes, a metadata.jsonl becomes rows or an Error that is one line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "schema/base/error.h"
#include "trainer/core/data/image_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    for (const auto& row : sarsweep::trainer::parse_metadata(text, "fuzz.jsonl")) {
      for (const char* column : {"file_name", "text", "label"}) {
        sarsweep::trainer::text_of(row, column);
      }
      sarsweep::trainer::scale_of(row, "scale");
    }
  } catch (const sarsweep::Error& error) {
    const bool one_line = std::string_view(error.what()).find('\n') == std::string_view::npos;
    if (error.code() != sarsweep::ErrorCode::invalid || !one_line) std::abort();
  }
  return 0;
}
