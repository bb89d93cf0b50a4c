#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sarsweep::config {

// Bytes of "70GiB", "24GB" or "512MiB": a whole number and MB, MiB, GB, GiB, TB or TiB; at most
// 1024 TiB. nullopt for anything else, and for 0.
std::optional<std::int64_t> parse_size(std::string_view text);

// "70 GiB", "23.6 GiB": as the memory of a GPU is spoken of.
std::string display_gib(std::int64_t bytes);

}  // namespace sarsweep::config
