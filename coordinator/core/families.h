#pragma once

#include <cstdint>
#include <string>

#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

// The run_hash of a child: its own hash joined with its parent's run_hash.
std::string child_hash(const std::string& own, const std::string& parent);

// Moves what waits on a parent: to `queued` when the parent is done or there is none any more, to
// `blocked` when it cannot be done, and back. A parent that is the best of a study is chosen here,
// once the study has ended. Call it in each transaction that may end or revive a
// run.
void settle_families(Connection& connection, std::int64_t now_ms);

}  // namespace sarsweep::coordinator
