#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/core/core.h"

namespace sarsweep::coordinator {

inline constexpr std::int64_t kNoSpace = 100'000'000;  // bytes; a commit may need that much

// What the coordinator stands on.
struct Ground {
  std::int64_t home_bytes = 0;      // free where the database lies
  std::int64_t store_bytes = 0;     // free where checkpoints lie; -1: cannot be told
  std::int64_t database_bytes = 0;  // of the database and its log
};
Ground look_at_ground(const Core& core);

// Why work should not be sent here now; empty if it should. Cheap, and writes nothing: anybody may
// ask.
std::vector<std::string> why_not_ready(const Core& core);
std::vector<std::string> why_not_ready(const Ground& ground);

}  // namespace sarsweep::coordinator
