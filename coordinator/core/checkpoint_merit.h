#pragma once

#include <vector>

#include "coordinator/store/checkpoint_store.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {

// Of `checkpoints` of `run` those at whose step its checkpoint.best_by was measured as a finite
// number: lowest first, in the given order where equal.
std::vector<CheckpointRow> by_merit(Connection& connection, const RunRow& run,
                                    const std::vector<CheckpointRow>& checkpoints);

}  // namespace sarsweep::coordinator
