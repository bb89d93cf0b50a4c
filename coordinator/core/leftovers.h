#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "coordinator/core/core.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {

struct Leftover {
  std::filesystem::path folder;
  std::int64_t bytes = 0;
};

// Folders among the checkpoints of `run` that no checkpoint is recorded for: saves that were cut
// short, damaged ones that were set aside. Of attempts alone whose every word has been heard or
// that another has followed, for the newest of a lost worker may still announce what it sealed.
std::vector<Leftover> leftovers_of(const Core& core, Connection& connection, const RunRow& run);

}  // namespace sarsweep::coordinator
