#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "coordinator/store/checkpoint_store.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {

// The flat config with every relative path made absolute against its base folder.
nlohmann::json with_absolute_paths(const nlohmann::json& config, const nlohmann::json& path_bases);

struct RunDocument {
  nlohmann::json run_json;        // complete but for `device` and `threads`
  std::int64_t resume_step = -1;  // of the newest checkpoint offered; -1: none
};

// run.json of the run's current epoch (run_dir.h), for a grant: the parent's checkpoint is chosen
// at the first and pinned, the same for all later ones. Throws Error(invalid) if it cannot be made:
// an unknown protocol, a parent without a checkpoint.
RunDocument document_of(Core& core, Connection& connection, const RunRow& run);

// The folder of a checkpoint. `run` is the run it belongs to.
std::filesystem::path folder_of(const Core& core, const RunRow& run,
                                const CheckpointRow& checkpoint);

}  // namespace sarsweep::coordinator
