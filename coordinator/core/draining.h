#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "schema/protocol/worker_state.h"

namespace sarsweep::coordinator {

// A person's wish about a worker, which may be away: {id, name, drain, was, runs, undo}, `runs` the
// names of those that it holds. Throws Error(not_found).
nlohmann::json set_drain(Core& core, const std::string& worker_id, Drain drain,
                         const std::string& actor);

}  // namespace sarsweep::coordinator
