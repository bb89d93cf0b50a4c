#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace sarsweep {

// Bounds on untrusted JSON, checked before a document exists.
struct JsonLimits {
  std::size_t depth = 32;
  std::size_t values = 100'000;
  std::size_t string_bytes = 1 << 20;
};

// Parses `text` strictly: no duplicate keys, valid UTF-8, within `limits`. `what` names the source
// in the message of the Error(invalid) it throws.
nlohmann::json parse_json(std::string_view text, std::string_view what,
                          const JsonLimits& limits = {});

// A whole number that fits; nullopt for 1.5, 1e300, true and 2^63, of each of which the library
// alone would make some integer.
std::optional<std::int64_t> whole_number(const nlohmann::json& value);

// Canonical JSON: sorted keys, no spaces, shortest round-trip numbers. Equal documents, equal
// bytes.
std::string canonical_json(const nlohmann::json& document);

}  // namespace sarsweep
