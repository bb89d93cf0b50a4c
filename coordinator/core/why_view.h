#pragma once

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {

// {"id", "name", "sweep", "state", "reasons": [{"code", "message", "cure"}]}: why a run is not
// training (wait_reasons.h). An alias answers for the run behind it.
nlohmann::json why_view(const Core& core, Connection& connection, const RunRow& run);

}  // namespace sarsweep::coordinator
