#pragma once

#include <string>
#include <vector>

#include "coordinator/core/coordinator.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {

// The runs that a filter names, in submit order. A selector is a name, `sweep/name`, a unique
// prefix, `@sweep`, `@sweep/study` or an id; `NAME-sSEED` always works. Throws Error(not_found)
// with the candidates for an unknown or ambiguous one, and for a condition on an unknown field;
// Error(invalid) for an unknown state or a condition that cannot be read.
std::vector<RunRow> select_runs(Connection& connection, const RunFilter& filter);

}  // namespace sarsweep::coordinator
