#pragma once

#include <string>
#include <string_view>

namespace sarsweep::sweep {

// Bytes of the character at the front of a non-empty text; 0 if it is not UTF-8 (overlong,
// surrogate, cut off).
int utf8_length(std::string_view text);

// At most `limit` bytes, cut between characters, every byte that is not UTF-8 replaced by '?'.
std::string utf8_only(std::string_view text, std::size_t limit);

}  // namespace sarsweep::sweep
