#pragma once

#include <optional>
#include <string>

#include "coordinator/store/checkpoint_store.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {

// The checkpoint of `run` that a child starts from: the newest ("last"), or the one at which the
// run's checkpoint.best_by was lowest ("best"; the newest where it was never measured at one).
// nullopt where there is none. `run` is the run that the files belong to.
std::optional<CheckpointRow> chosen_checkpoint(Connection& connection, const RunRow& run,
                                               const std::string& which);

}  // namespace sarsweep::coordinator
