#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "schema/protocol/messages.h"

namespace sarsweep::coordinator {

// What ended runs can do without: of each the newest `keep_last` checkpoints stay (default: 1 of a
// done run, which only its results and children need; else its checkpoint.keep_last, for it may be
// resumed) and the `keep_best` best, as well as what other runs were started from; and the remains
// of saves that were cut short. Runs that have not ended are left alone. Returns the garbage
// document (schema/protocol/README.md). With `apply` the checkpoints are doomed, and tidy() removes
// their files; the remains go at once. Throws Error(not_found) for an unknown run.
nlohmann::json collect_garbage(Core& core, const GarbageRequest& request, const std::string& actor);

}  // namespace sarsweep::coordinator
