#include "coordinator/core/parent_checkpoint.h"

#include <cmath>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/store/metric_store.h"

namespace sarsweep::coordinator {
namespace {

// The checkpoint at which `metric` was lowest; the newest if it was never measured at one.
CheckpointRow best_of(Connection& connection, const std::vector<CheckpointRow>& checkpoints,
                      const std::string& metric) {
  const std::vector<MetricPoint> series =
      MetricStore(connection).series(checkpoints.front().run, metric);
  std::optional<double> lowest;
  CheckpointRow best = checkpoints.front();
  for (const CheckpointRow& checkpoint : checkpoints) {
    for (const MetricPoint& point : series) {
      if (point.step != checkpoint.step || !std::isfinite(point.value)) continue;
      if (lowest && point.value >= *lowest) continue;
      lowest = point.value;
      best = checkpoint;
    }
  }
  return best;
}

}  // namespace

std::optional<CheckpointRow> chosen_checkpoint(Connection& connection, const RunRow& run,
                                               const std::string& which) {
  const std::vector<CheckpointRow> checkpoints = CheckpointStore(connection).of_run(run.id);
  if (checkpoints.empty()) return std::nullopt;
  if (which != "best") return checkpoints.front();
  const nlohmann::json by = run.config.value("checkpoint.best_by");
  return best_of(connection, checkpoints, by.is_null() ? "val/loss" : by.get<std::string>());
}

}  // namespace sarsweep::coordinator
