#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/core/core.h"

namespace sarsweep::coordinator {

struct Disk {
  std::int64_t free_bytes = -1;  // -1: cannot be told
  std::int64_t bytes = 0;
};

// What the coordinator stands on.
struct Ground {
  Disk home;                        // where the database lies
  Disk store;                       // where checkpoints lie
  std::int64_t database_bytes = 0;  // of the database and its log
};
Ground look_at_ground(const Core& core);

// What is refused one after the other as a disk fills up, so that the states of runs can be kept to
// the last. Workers hold back what is refused and send it again.
enum class Data { artifact, log, metrics };
// The free bytes below which a disk of `bytes` takes no more of it.
std::int64_t mark_of(Data data, std::int64_t bytes);
// Throws Error(no_space) where it is refused now: artifacts and logs by the store's disk, metrics
// by the home's.
void require_room(const Core& core, Data data);

// Why work should not be sent here now, nor runs be started; empty if they should. Cheap, and
// writes nothing: anybody may ask.
std::vector<std::string> why_not_ready(const Core& core);
std::vector<std::string> why_not_ready(const Ground& ground);

}  // namespace sarsweep::coordinator
