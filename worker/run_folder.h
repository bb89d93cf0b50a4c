#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/protocol/messages.h"

namespace sarsweep::worker {

// What a grant's run.json lacks: where and on how many threads the trainer computes.
struct Placement {
  std::vector<std::string> devices;  // "cpu", "cuda:0"; one a rank, at least one
  int threads = 1;                   // of all ranks together
};

// The directory of a grant below `store`. Throws Error(invalid) for a run id that is no plain name
// (letters, digits, '-', '_'), so that no coordinator can point outside the store.
std::filesystem::path run_dir_of(const std::filesystem::path& store, const LeaseKey& key);

// Makes `run_dir` anew and empty and writes its run.json. Throws Error(internal).
void prepare_run_dir(const std::filesystem::path& run_dir, nlohmann::json run_json,
                     const Placement& placement);

}  // namespace sarsweep::worker
