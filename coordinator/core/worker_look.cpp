#include "coordinator/core/worker_look.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "coordinator/core/holding.h"

namespace sarsweep::coordinator {

using nlohmann::json;

bool is_live(const Core& core, const WorkerRow& worker) {
  const auto heard = core.leases.last_heard(worker.id);
  if (worker.departed || !heard) return false;
  return core.clock.steady() < *heard + std::chrono::duration<double>(core.options.lease_s);
}

std::vector<Slot> free_slots(Connection& connection, const WorkerRow& worker) {
  std::set<int> held = held_slots(connection, worker.id, worker.incarnation);
  for (const json& slot : json::parse(worker.resting)) held.insert(slot["index"].get<int>());
  std::vector<Slot> free = parse_slots(worker.slots);
  free.erase(std::remove_if(free.begin(), free.end(),
                            [&](const Slot& slot) { return held.contains(slot.index); }),
             free.end());
  return free;
}

std::string slots_text(const std::vector<Slot>& slots) { return json(slots).dump(); }

std::vector<Slot> parse_slots(const std::string& text) { return json::parse(text); }

}  // namespace sarsweep::coordinator
