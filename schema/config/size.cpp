#include "schema/config/size.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace sarsweep::config {

std::optional<std::int64_t> parse_size(std::string_view text) {
  constexpr std::int64_t kMega = 1'000'000, kMebi = std::int64_t{1} << 20;
  constexpr std::int64_t kMost = std::int64_t{1} << 50;
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kUnits = {
      {{"MB", kMega},
       {"MiB", kMebi},
       {"GB", kMega * 1000},
       {"GiB", kMebi << 10},
       {"TB", kMega * 1'000'000},
       {"TiB", kMebi << 20}}};
  std::int64_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  if (read.ec != std::errc() || count <= 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  for (const auto& [unit, bytes] : kUnits) {
    if (text != unit) continue;
    if (count > kMost / bytes) return std::nullopt;
    return count * bytes;
  }
  return std::nullopt;
}

std::string display_gib(std::int64_t bytes) {
  const double tenths = std::round(static_cast<double>(bytes) / (1 << 30) * 10);
  if (std::fmod(tenths, 10) == 0) return fmt::format("{:.0f} GiB", tenths / 10);
  return fmt::format("{:.1f} GiB", tenths / 10);
}

}  // namespace sarsweep::config
