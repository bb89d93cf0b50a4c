#pragma once

#include <optional>
#include <string_view>

namespace sarsweep {

// The one of `all` that is spelled so by its to_string(); nullopt: none.
template <typename Enum, typename All>
std::optional<Enum> parse_spelling(std::string_view text, const All& all) {
  for (const Enum value : all) {
    if (to_string(value) == text) return value;
  }
  return std::nullopt;
}

}  // namespace sarsweep
