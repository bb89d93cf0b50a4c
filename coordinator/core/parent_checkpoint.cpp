#include "coordinator/core/parent_checkpoint.h"

#include <vector>

#include "coordinator/core/checkpoint_merit.h"

namespace sarsweep::coordinator {

std::optional<CheckpointRow> chosen_checkpoint(Connection& connection, const RunRow& run,
                                               const std::string& which) {
  const std::vector<CheckpointRow> checkpoints = CheckpointStore(connection).of_run(run.id);
  if (checkpoints.empty()) return std::nullopt;
  if (which != "best") return checkpoints.front();
  const std::vector<CheckpointRow> ranked = by_merit(connection, run, checkpoints);
  return ranked.empty() ? checkpoints.front() : ranked.front();
}

}  // namespace sarsweep::coordinator
