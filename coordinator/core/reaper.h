#pragma once

#include "coordinator/core/core.h"

namespace sarsweep::coordinator {

// One round of time-driven work, wanted once a second: leases that ran out, backoffs that are due,
// families. Cancels past their grace become kill orders in the heartbeat's reply by themselves.
// Does nothing twice. After a gap in these rounds every open lease gets its grace, as after a
// restart.
void reap(Core& core);

}  // namespace sarsweep::coordinator
