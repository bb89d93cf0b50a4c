#include "coordinator/core/checkpoint_merit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/store/metric_store.h"

namespace sarsweep::coordinator {

std::vector<CheckpointRow> by_merit(Connection& connection, const RunRow& run,
                                    const std::vector<CheckpointRow>& checkpoints) {
  const nlohmann::json by = run.config.value("checkpoint.best_by");
  const std::string metric = by.is_null() ? "val/loss" : by.get<std::string>();
  std::map<std::int64_t, double> measured;
  for (const MetricPoint& point : MetricStore(connection).series(run.id, metric)) {
    if (std::isfinite(point.value)) measured[point.step] = point.value;
  }
  std::vector<CheckpointRow> ranked;
  for (const CheckpointRow& checkpoint : checkpoints) {
    if (measured.contains(checkpoint.step)) ranked.push_back(checkpoint);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [&](const CheckpointRow& a, const CheckpointRow& b) {
                     return measured[a.step] < measured[b.step];
                   });
  return ranked;
}

}  // namespace sarsweep::coordinator
