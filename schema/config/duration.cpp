#include "schema/config/duration.h"

#include <array>
#include <charconv>
#include <utility>

namespace sarsweep::config {

std::optional<std::int64_t> parse_duration(std::string_view text) {
  constexpr std::int64_t kMost = std::int64_t{10} * 366 * 86'400;
  constexpr std::array<std::pair<char, std::int64_t>, 4> kUnits = {
      {{'d', 86'400}, {'h', 3600}, {'m', 60}, {'s', 1}}};
  std::int64_t seconds = 0;
  for (const auto& [unit, size] : kUnits) {
    std::int64_t count = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
    const auto digits = static_cast<std::size_t>(read.ptr - text.data());
    const bool mine = read.ec == std::errc() && digits < text.size() && text[digits] == unit;
    if (!mine) continue;
    if (count < 0 || count > kMost / size) return std::nullopt;
    seconds += count * size;
    text.remove_prefix(digits + 1);
  }
  if (!text.empty() || seconds <= 0 || seconds > kMost) return std::nullopt;
  return seconds;
}

}  // namespace sarsweep::config
