#pragma once

#include <string_view>

#include "coordinator/core/core.h"
#include "coordinator/core/holding.h"

namespace sarsweep::coordinator {

// Stores what complete lines of events.jsonl say about one attempt (run_dir.h). A line that is no
// event is kept as a warning in the run's history and otherwise passed over, so that one bad line
// never stops a stream. Runs inside the transaction that advances the stream's offset.
void ingest_events(Core& core, Connection& connection, Holding& holding, std::string_view lines);

}  // namespace sarsweep::coordinator
