#include "coordinator/core/slurm_demand.h"

#include <algorithm>
#include <set>

#include "coordinator/core/leasing.h"
#include "coordinator/core/worker_look.h"

namespace sarsweep::coordinator {
namespace {

void take_out(std::vector<Candidate>& runs, const std::vector<Assignment>& served) {
  std::set<std::int64_t> ids;
  for (const Assignment& assignment : served) ids.insert(assignment.run);
  runs.erase(std::remove_if(runs.begin(), runs.end(),
                            [&](const Candidate& run) { return ids.contains(run.run); }),
             runs.end());
}

// What would start on these slots of one machine; `runs` are in their order.
std::vector<Assignment> served_by(const std::vector<Slot>& free,
                                  const std::vector<Candidate>& runs) {
  GrantPlan plan(free);
  for (auto run = runs.begin(); run != runs.end() && !plan.full(); ++run) plan.offer(*run);
  return plan.grants();
}

}  // namespace

std::vector<Candidate> unserved(const Core& core, Connection& connection) {
  std::vector<Candidate> runs = queue_in_order(connection);
  for (const WorkerRow& worker : WorkerStore(connection).all()) {
    if (runs.empty()) break;
    if (!worker.takes_runs() || !is_live(core, worker)) continue;
    take_out(runs, served_by(free_slots(connection, worker), runs));
  }
  return runs;
}

std::int64_t machines_for(std::vector<Candidate>& runs, const std::vector<Slot>& shape,
                          std::int64_t most) {
  std::int64_t machines = 0;
  for (; machines < most && !runs.empty(); ++machines) {
    if (shape.empty()) {
      runs.erase(runs.begin());
      continue;
    }
    const std::vector<Assignment> served = served_by(shape, runs);
    if (served.empty()) break;
    take_out(runs, served);
  }
  return machines;
}

}  // namespace sarsweep::coordinator
