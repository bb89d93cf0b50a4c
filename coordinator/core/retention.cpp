#include "coordinator/core/retention.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include "coordinator/core/checkpoint_merit.h"
#include "schema/config/fields.h"

namespace sarsweep::coordinator {
namespace {

using Place = std::tuple<std::int64_t, std::int64_t>;  // epoch, step: in the order of sealing

Place place_of(const CheckpointRow& row) { return {row.epoch, row.step}; }

std::int64_t number_of(const RunRow& run, const char* field) {
  const nlohmann::json set = run.config.value(field);
  return (set.is_null() ? config::find_field(field)->default_value : set).get<std::int64_t>();
}

// Whether a run that has not ended names this one, or the study it may be the best of, as a parent
// to start from the best checkpoint of.
bool best_is_awaited(Connection& connection, const RunRow& run) {
  return connection
      .integer(
          "SELECT 1 FROM run WHERE parent_checkpoint = 'best' AND state <> 'done'"
          " AND (parent = ?1 OR (parent_choice IS NOT NULL AND sweep = ?2)"
          " OR parent IN (SELECT id FROM run WHERE alias_of = ?1 OR source_run = ?1))"
          " LIMIT 1",
          {run.id, run.sweep})
      .has_value();
}

void keep_first(std::set<Place>& kept, const std::vector<CheckpointRow>& rows, std::int64_t n) {
  for (std::size_t i = 0; i < rows.size() && static_cast<std::int64_t>(i) < n; ++i) {
    kept.insert(place_of(rows[i]));
  }
}

}  // namespace

Retention retention_of(const RunRow& run) {
  return {number_of(run, "checkpoint.keep_last"), number_of(run, "checkpoint.keep_best")};
}

std::vector<CheckpointRow> expendable(Connection& connection, const RunRow& run,
                                      const Retention& retention) {
  CheckpointStore checkpoints(connection);
  std::vector<CheckpointRow> rows = checkpoints.of_run(run.id);
  const std::int64_t best =
      best_is_awaited(connection, run) ? std::max<std::int64_t>(retention.best, 1) : retention.best;
  std::set<Place> kept;
  keep_first(kept, rows, 1);
  keep_first(kept, by_merit(connection, run, rows), best);
  std::sort(rows.begin(), rows.end(), [](const CheckpointRow& a, const CheckpointRow& b) {
    return place_of(a) > place_of(b);
  });
  keep_first(kept, rows, retention.last);
  for (const CheckpointRow& row : checkpoints.forgotten(run.id)) rows.push_back(row);
  std::erase_if(rows, [&](const CheckpointRow& row) {
    return kept.contains(place_of(row)) || checkpoints.is_pinned(row);
  });
  return rows;
}

void retire_checkpoints(Connection& connection, const RunRow& run) {
  for (const CheckpointRow& row : expendable(connection, run, retention_of(run))) {
    CheckpointStore(connection).doom(row);
  }
}

}  // namespace sarsweep::coordinator
