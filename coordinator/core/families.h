#pragma once

#include <cstdint>

#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

// Moves what waits on a parent: to `queued` when the parent is done or there is none any more, to
// `blocked` when it cannot be done, and back. Call it in each transaction that may end or revive a
// run.
void settle_families(Connection& connection, std::int64_t now_ms);

}  // namespace sarsweep::coordinator
