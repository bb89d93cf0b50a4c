#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "schema/protocol/run_state.h"

namespace sarsweep::coordinator {

// What a person asks of a run, by the table of schema/protocol/README.md; on an alias it acts on
// the run that the alias stands for. Returns {id, name, state, was, undo}. Throws Error(conflict)
// where the table forbids it.
nlohmann::json apply_verb(Core& core, const std::string& run_id, Verb verb, bool from_scratch,
                          const std::string& actor);

}  // namespace sarsweep::coordinator
