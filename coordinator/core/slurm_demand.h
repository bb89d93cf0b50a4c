#pragma once

#include <cstdint>
#include <vector>

#include "coordinator/core/core.h"
#include "coordinator/core/scheduler.h"

namespace sarsweep::coordinator {

// The queued runs, in order, that the free slots of the live workers will not take.
std::vector<Candidate> unserved(const Core& core, Connection& connection);

// How many machines of this shape, `most` at most, these runs keep busy; those they serve are taken
// out of `runs`. An empty shape is one that is not known yet: it serves any one run. Pure.
std::int64_t machines_for(std::vector<Candidate>& runs, const std::vector<Slot>& shape,
                          std::int64_t most);

}  // namespace sarsweep::coordinator
