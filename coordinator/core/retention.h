#pragma once

#include <cstdint>
#include <vector>

#include "coordinator/store/checkpoint_store.h"
#include "coordinator/store/run_store.h"

// Which checkpoints stay. Trainers never delete one; the coordinator does, in two steps
// (checkpoint_store.h), tidying.h the second.
namespace sarsweep::coordinator {

struct Retention {
  std::int64_t last = 2;  // checkpoint.keep_last
  std::int64_t best = 1;  // checkpoint.keep_best
};
Retention retention_of(const RunRow& run);

// The checkpoints of `run` beyond the `last` that were sealed last (attempt, then step: a damaged
// one of an earlier attempt never pushes out a newer attempt's) and the `best` by merit. Stays as
// well what a run was started from, one best where a run in waiting is to start from the best, and
// the one that "last" would lead to. Those that a start from scratch left behind go unless started
// from.
std::vector<CheckpointRow> expendable(Connection& connection, const RunRow& run,
                                      const Retention& retention);

// Dooms what is expendable by the run's own fields. To be called when a newer one was sealed.
void retire_checkpoints(Connection& connection, const RunRow& run);

}  // namespace sarsweep::coordinator
