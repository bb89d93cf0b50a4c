#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sarsweep::config {

// Seconds of "12h", "1h30m", "90m", "45s" or "2d": whole numbers, each unit once, largest first;
// at most ten years. nullopt for anything else, and for 0.
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace sarsweep::config
