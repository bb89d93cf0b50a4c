#include "coordinator/store/metric_store.h"

#include <cmath>
#include <limits>

namespace sarsweep::coordinator {
namespace {

// Newest attempt first among those that may speak for a step.
constexpr const char* kSeries = R"sql(
  SELECT step, value, attempt FROM (
    SELECT m.step, m.value, m.attempt,
           ROW_NUMBER() OVER (PARTITION BY m.step
                              ORDER BY a.resume_step < m.step DESC, m.attempt DESC) AS place
      FROM metric m
      JOIN metric_key k ON k.id = m.key
      JOIN attempt a ON a.run = m.run AND a.epoch = m.attempt
      JOIN run r ON r.id = m.run
     WHERE m.run = ?1 AND k.name = ?2 AND a.epoch >= r.checkpoint_floor)
   WHERE place = 1 ORDER BY step
)sql";

// Looks at the last point of each attempt only, whatever the length of the series.
constexpr const char* kLast = R"sql(
  SELECT m.step, m.value, m.attempt
    FROM attempt a
    JOIN run r ON r.id = a.run
    JOIN metric_key k ON k.name = ?2
    JOIN metric m ON m.run = a.run AND m.key = k.id AND m.attempt = a.epoch
     AND m.step = (SELECT MAX(step) FROM metric
                    WHERE run = a.run AND key = k.id AND attempt = a.epoch)
   WHERE a.run = ?1 AND a.epoch >= r.checkpoint_floor
   ORDER BY m.step DESC, a.resume_step < m.step DESC, m.attempt DESC LIMIT 1
)sql";

MetricPoint read_point(const Row& row) {
  const double value = row.null(1) ? std::numeric_limits<double>::quiet_NaN() : row.real(1);
  return {row.integer(0), value, row.integer(2)};
}

}  // namespace

void MetricStore::put(std::int64_t run, const std::string& key, const MetricPoint& point) {
  SqlValues values = {run, id_of(key), point.attempt, point.step, nullptr};
  if (!std::isnan(point.value)) values.back() = point.value;
  connection_.change(
      "INSERT INTO metric (run, key, attempt, step, value) VALUES (?1, ?2, ?3, ?4, ?5)"
      " ON CONFLICT DO UPDATE SET value = excluded.value",
      values);
}

std::int64_t MetricStore::id_of(const std::string& key) {
  const auto known = ids_.find(key);
  if (known != ids_.end()) return known->second;
  connection_.change("INSERT INTO metric_key (name) VALUES (?1) ON CONFLICT DO NOTHING", {key});
  const auto id = connection_.integer("SELECT id FROM metric_key WHERE name = ?1", {key}).value();
  return ids_.emplace(key, id).first->second;
}

std::vector<std::string> MetricStore::keys(std::int64_t run) {
  std::vector<std::string> names;
  connection_.each(
      "SELECT k.name FROM metric_key k"
      " WHERE EXISTS (SELECT 1 FROM metric m WHERE m.run = ?1 AND m.key = k.id) ORDER BY k.name",
      {run}, [&](const Row& row) { names.push_back(row.text(0)); });
  return names;
}

std::vector<MetricPoint> MetricStore::points(std::int64_t run, const std::string& key) {
  std::vector<MetricPoint> found;
  connection_.each(
      "SELECT m.step, m.value, m.attempt FROM metric m JOIN metric_key k ON k.id = m.key"
      " WHERE m.run = ?1 AND k.name = ?2 ORDER BY m.step, m.attempt",
      {run, key}, [&](const Row& row) { found.push_back(read_point(row)); });
  return found;
}

std::vector<MetricPoint> MetricStore::series(std::int64_t run, const std::string& key) {
  std::vector<MetricPoint> found;
  connection_.each(kSeries, {run, key}, [&](const Row& row) { found.push_back(read_point(row)); });
  return found;
}

std::optional<MetricPoint> MetricStore::last(std::int64_t run, const std::string& key) {
  std::optional<MetricPoint> found;
  connection_.each(kLast, {run, key}, [&](const Row& row) { found = read_point(row); });
  return found;
}

}  // namespace sarsweep::coordinator
