#pragma once

#include "coordinator/core/core.h"

namespace sarsweep::coordinator {

// One round of time-driven work: leases that ran out, backoffs that are due, families. Cancels past
// their grace become kill orders in the heartbeat's reply by themselves. Does nothing twice.
void reap(Core& core);

}  // namespace sarsweep::coordinator
