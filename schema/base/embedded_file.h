#pragma once

#include <string_view>

namespace sarsweep {

// A file compiled into the program by sarsweep_embed (cmake/Embed.cmake).
struct EmbeddedFile {
  std::string_view name;  // as listed: "0001_initial.sql"
  std::string_view content;
};

}  // namespace sarsweep
