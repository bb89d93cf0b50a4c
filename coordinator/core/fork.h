#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "schema/protocol/messages.h"

namespace sarsweep::coordinator {

// Makes a new run in the sweep of `run_id` that starts from a checkpoint of it, the newest or the
// one at request.step, whatever that run does now or later; its configuration is that run's but for
// `request.set`. Returns {id, name, sweep, state, parent, checkpoint_step, undo}. Throws
// Error(invalid) for a setting that a sweep file could not have, with {"diagnostics": […]} in
// `problems` (nullable); Error(conflict) where there is no such checkpoint or the name is taken.
nlohmann::json fork_run(Core& core, const std::string& run_id, const ForkRequest& request,
                        const std::string& actor, nlohmann::json* problems);

}  // namespace sarsweep::coordinator
