#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"

namespace sarsweep::coordinator {

// Lets a run that is done train `steps` updates more, from its last checkpoint, under a run_hash of
// its own; what it was judged by so far stays at its step. Only under a constant learning rate,
// where it ends as if it had been that long from the start. Returns {id, name, state, was, lifted,
// total_steps, undo}. Throws Error(conflict) for a run that cannot be extended, with the reason.
nlohmann::json extend_run(Core& core, const std::string& run_id, std::int64_t steps,
                          const std::string& actor);

}  // namespace sarsweep::coordinator
