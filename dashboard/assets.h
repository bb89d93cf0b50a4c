#pragma once

#include <span>
#include <string_view>

namespace sarsweep::dashboard {

// A file of the dashboard as it is served. All views live as long as the program.
struct Asset {
  std::string_view path;  // "/app.js"
  std::string_view mime;
  std::string_view content;
  std::string_view digest;  // SHA-256, the ETag
};

std::span<const Asset> assets();

}  // namespace sarsweep::dashboard
