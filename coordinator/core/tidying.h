#pragma once

#include <filesystem>
#include <optional>

#include "coordinator/core/core.h"
#include "coordinator/store/checkpoint_store.h"

namespace sarsweep::coordinator {

// The folder of a checkpoint below the store, if it is one that may be removed: a step-… folder
// within the attempt's checkpoints, reached without a link. Workers name these paths.
std::optional<std::filesystem::path> removable_folder(const std::filesystem::path& store,
                                                      const DoomedCheckpoint& doomed);

// Removes the files of doomed checkpoints, then their rows. Cut short anywhere, it goes on at the
// next call; what cannot be removed is logged and tried again then. May take long: not for the
// thread that keeps the time.
void tidy(Core& core);

}  // namespace sarsweep::coordinator
