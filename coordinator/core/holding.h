#pragma once

#include <set>
#include <string>

#include "coordinator/core/core.h"
#include "coordinator/core/ending.h"
#include "coordinator/store/attempt_store.h"
#include "coordinator/store/run_store.h"
#include "schema/protocol/messages.h"

namespace sarsweep::coordinator {

// A run together with the attempt that a worker's lease names.
struct Holding {
  RunRow run;
  AttemptRow attempt;
};

std::string grant_token(const std::string& store_incarnation, const std::string& run,
                        std::int64_t epoch, const std::string& worker_incarnation);

// The run and the current attempt of `key`. An expired epoch continues here (the loss is taken
// back) if its run has only waited since then and its slots are still free, and the lease is
// renewed. Throws Error(fenced) for a stale epoch, a wrong token, or an attempt that is over.
Holding hold(Core& core, Connection& connection, const LeaseKey& key);

// The same without renewal or judgement of the attempt's end: for finishes that are repeated.
Holding find_holding(Core& core, Connection& connection, const LeaseKey& key);

// Closes the attempt and moves its run as `ending` says.
void conclude(Core& core, Connection& connection, Holding& holding, const Ending& ending);

// The slots of this worker process that open attempts hold.
std::set<int> held_slots(Connection& connection, std::int64_t worker,
                         const std::string& incarnation);

Budget budget_of(const RunRow& run);

}  // namespace sarsweep::coordinator
