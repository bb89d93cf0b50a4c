#pragma once

#include <string_view>

#include "coordinator/sweep/diagnostics.h"

namespace sarsweep::sweep {

inline constexpr std::size_t kMostBytes = 1 << 20;
inline constexpr int kDeepest = 16;

// Looks at the bytes before any YAML parser does, in linear time and no memory: size, UTF-8,
// control characters, endless lines, tabs that indent, nesting. False, with the first fault
// reported, if they may not go on.
bool guard_text(std::string_view text, Diagnostics& diagnostics);

}  // namespace sarsweep::sweep
