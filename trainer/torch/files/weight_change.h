#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

namespace sarsweep::trainer {

// How much `tuned` differs from `base`, two pipelines of one architecture: ChangeTable::document()
// of all four parts with "base", "tuned" and "warnings" beside it. `base`: a pipeline folder, SDXL
// in one file, a checkpoint of a run. `tuned`: any of these, a run's folder (its newest intact
// checkpoint), or a LoRA file, which changes `base` by alpha/rank · up · down. Folders and files
// are read one tensor at a time; a checkpoint lies in memory whole. Weights stored in different
// types are told: rounding alone is a change then. Throws Error(invalid) or Error(not_found) naming
// what does not fit.
nlohmann::json weight_changes(const std::filesystem::path& base,
                              const std::filesystem::path& tuned);

// The newest intact checkpoint of a run's folder; `path` itself where it is none. Throws
// Error(not_found) for a run without one.
std::filesystem::path checkpoint_of_run(const std::filesystem::path& path);

}  // namespace sarsweep::trainer
