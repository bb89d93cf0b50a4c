#include "coordinator/core/disk_forecast.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include <nlohmann/json.hpp>

#include "coordinator/core/retention.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {
namespace {

// The largest checkpoint of each run, study and sweep.
class Sizes {
 public:
  explicit Sizes(Connection& connection) {
    connection.each(
        "SELECT r.sweep, r.study, r.id, MAX(c.bytes), COUNT(*) FROM checkpoint c"
        " JOIN run r ON r.id = c.run WHERE c.doomed = 0 GROUP BY r.id",
        {}, [this](const Row& row) { add(row); });
  }
  std::optional<std::int64_t> of(const RunRow& run) const {
    for (const Key& key :
         {Key{run.sweep, run.study, run.id}, Key{run.sweep, run.study, 0}, Key{run.sweep, "", 0}}) {
      const auto known = largest_.find(key);
      if (known != largest_.end()) return known->second;
    }
    return std::nullopt;
  }
  std::int64_t kept_by(const RunRow& run) const {
    const auto known = count_.find(run.id);
    return known == count_.end() ? 0 : known->second;
  }

 private:
  using Key = std::tuple<std::int64_t, std::string, std::int64_t>;  // sweep, study, run
  void add(const Row& row) {
    const std::int64_t sweep = row.integer(0), run = row.integer(2), bytes = row.integer(3);
    for (const Key& key :
         {Key{sweep, row.text(1), run}, Key{sweep, row.text(1), 0}, Key{sweep, "", 0}}) {
      std::int64_t& largest = largest_[key];
      largest = std::max(largest, bytes);
    }
    count_[run] = row.integer(4);
  }

  std::map<Key, std::int64_t> largest_;
  std::map<std::int64_t, std::int64_t> count_;
};

// How many a run writes, where its fields say it in updates.
std::optional<std::int64_t> planned_checkpoints(const RunRow& run) {
  const bool clip = run.config.value("job") == "clip";
  const nlohmann::json steps = run.config.value(clip ? "clip.steps" : "train.steps");
  const nlohmann::json every = run.config.value("checkpoint.every");
  if (!steps.is_number_integer() || !every.is_number_integer()) return std::nullopt;
  const auto total = steps.get<std::int64_t>(), interval = every.get<std::int64_t>();
  return total == 0 ? 0 : (total + interval - 1) / interval;
}

std::int64_t still_to_keep(const RunRow& run, const Sizes& sizes) {
  const Retention retention = retention_of(run);
  std::int64_t kept = retention.last + retention.best;
  if (const auto planned = planned_checkpoints(run)) kept = std::min(kept, *planned);
  return std::max<std::int64_t>(kept - sizes.kept_by(run), 0);
}

}  // namespace

DiskForecast forecast_checkpoints(Connection& connection) {
  const Sizes sizes(connection);
  DiskForecast forecast;
  for (const RunRow& run : RunStore(connection).all()) {
    if (run.alias_of || is_terminal(run.state)) continue;
    ++forecast.runs;
    const std::int64_t to_come = still_to_keep(run, sizes);
    const std::optional<std::int64_t> size = sizes.of(run);
    if (to_come > 0 && !size) ++forecast.unknown;
    forecast.bytes += to_come * size.value_or(0);
  }
  return forecast;
}

}  // namespace sarsweep::coordinator
