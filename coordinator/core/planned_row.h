#pragma once

#include <cstdint>

#include "coordinator/store/run_store.h"
#include "coordinator/sweep/expand.h"

namespace sarsweep::coordinator {

// The row of a planned run that has not been stored: a fresh id, all that the plan says of it,
// waiting or queued. Its sweep, its place there, its links, and what joins its hash are the
// caller's, as are config and origins, which may be shared.
RunRow row_of(const PlannedRun& planned, std::int64_t now_ms);

}  // namespace sarsweep::coordinator
