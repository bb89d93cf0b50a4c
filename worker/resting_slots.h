#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "schema/base/clock.h"
#include "schema/base/guarded.h"
#include "schema/protocol/messages.h"
#include "worker/gpu_memory.h"

namespace sarsweep::worker {

// The slots that no run holds and that are not offered all the same: a GPU between two runs, until
// its memory is seen free. What a trainer leaves behind, in a driver's hands perhaps, would cost
// the next run its memory. A GPU of which nobody can tell is offered at once.
class RestingSlots {
 public:
  // `probe` outlives it; nullptr: nothing can be told.
  RestingSlots(std::vector<Slot> slots, GpuProbe* probe, const Clock& clock);

  // The worker starts, with runs taken over on the slots `held`: all others are looked at first.
  void begin(const std::vector<int>& held);
  // A run that held these slots is over. The lease loop's own, as what follows.
  void lay_down(const std::vector<int>& slots);
  // Looks whether one may be offered, not oftener than is due.
  void look();
  bool contains(int slot) const;
  // When look() is due again; a long time where nothing rests.
  std::chrono::milliseconds until_look() const;

  // What has been looked at and is in use, and by how much. Any thread.
  std::vector<RestingSlot> in_use() const;

 private:
  struct Rest {
    int looks = 0;
    std::string reason;
  };
  const Slot& slot(int index) const;
  std::string why_not(const Slot& slot, const GpuLook& look, bool first);

  const std::vector<Slot> slots_;
  GpuProbe* const probe_;
  const Clock& clock_;
  Clock::TimePoint next_look_;
  std::map<int, std::int64_t> usual_;  // bytes of a slot that others had in use at the start
  Guarded<std::map<int, Rest>> resting_;
};

}  // namespace sarsweep::worker
