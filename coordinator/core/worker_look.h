#pragma once

#include <string>
#include <vector>

#include "coordinator/core/core.h"
#include "coordinator/store/worker_store.h"
#include "schema/protocol/messages.h"

namespace sarsweep::coordinator {

// Whether a worker that has not left was heard of within its lease.
bool is_live(const Core& core, const WorkerRow& worker);

// The slots of a worker that it offers and no open attempt of this very process holds: a grant
// whose reply was lost keeps its slots until its lease runs out.
std::vector<Slot> free_slots(Connection& connection, const WorkerRow& worker);

// Slots as they are stored, and back.
std::string slots_text(const std::vector<Slot>& slots);
std::vector<Slot> parse_slots(const std::string& text);

}  // namespace sarsweep::coordinator
