#include "coordinator/core/scheduler.h"

#include <algorithm>
#include <utility>

namespace sarsweep::coordinator {

bool fits(const std::string& slot, const std::string& wanted) {
  return wanted == "auto" || slot.compare(0, wanted.size(), wanted) == 0;
}

bool has_memory(std::int64_t vram, std::int64_t wanted) { return vram >= wanted - wanted / 32; }

void GrantPlan::offer(const Candidate& candidate) {
  Assignment assignment{candidate.run, {}};
  for (const Slot& slot : free_) {
    const auto have = static_cast<std::int64_t>(assignment.slots.size());
    if (have < candidate.slots && fits(slot.device, candidate.device) &&
        has_memory(slot.vram, candidate.vram)) {
      assignment.slots.push_back(slot.index);
    }
  }
  if (static_cast<std::int64_t>(assignment.slots.size()) < candidate.slots) return;
  const auto taken = [&](const Slot& slot) {
    return std::find(assignment.slots.begin(), assignment.slots.end(), slot.index) !=
           assignment.slots.end();
  };
  free_.erase(std::remove_if(free_.begin(), free_.end(), taken), free_.end());
  grants_.push_back(std::move(assignment));
}

}  // namespace sarsweep::coordinator
