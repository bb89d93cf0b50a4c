#include "coordinator/core/garbage.h"

#include <fmt/format.h>

#include <set>
#include <system_error>
#include <vector>

#include "coordinator/core/disk_forecast.h"
#include "coordinator/core/leftovers.h"
#include "coordinator/core/readiness.h"
#include "coordinator/core/retention.h"
#include "coordinator/store/event_store.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

// Of one run.
struct Garbage {
  RunRow run;
  std::vector<CheckpointRow> checkpoints;
  std::vector<Leftover> leftovers;

  bool empty() const { return checkpoints.empty() && leftovers.empty(); }
  std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (const CheckpointRow& row : checkpoints) sum += row.bytes;
    for (const Leftover& leftover : leftovers) sum += leftover.bytes;
    return sum;
  }
};

struct Look {
  std::vector<Garbage> found;
  DiskForecast forecast;
};

Retention wanted(const RunRow& run, const GarbageRequest& request) {
  Retention retention = retention_of(run);
  if (run.state == RunState::done) retention.last = 1;
  retention.last = request.keep_last.value_or(retention.last);
  retention.best = request.keep_best.value_or(retention.best);
  return retention;
}

std::vector<RunRow> ended_runs(Connection& connection, const GarbageRequest& request) {
  RunStore runs(connection);
  std::vector<RunRow> chosen;
  for (const std::string& uid : request.runs) chosen.push_back(runs.need_uid(uid));
  if (request.runs.empty()) chosen = runs.all();
  std::set<std::int64_t> seen;
  std::erase_if(chosen, [&](const RunRow& run) {
    return run.alias_of || !is_terminal(run.state) || !seen.insert(run.id).second;
  });
  return chosen;
}

std::vector<Garbage> find_garbage(const Core& core, Connection& connection,
                                  const GarbageRequest& request) {
  std::vector<Garbage> found;
  for (RunRow& run : ended_runs(connection, request)) {
    Garbage garbage{run, expendable(connection, run, wanted(run, request)),
                    leftovers_of(core, connection, run)};
    if (!garbage.empty()) found.push_back(std::move(garbage));
  }
  return found;
}

// Folders are walked without holding up the writer, and what one attempt left stays what it is. Its
// run may have been taken back meanwhile.
void look_again(Connection& connection, Garbage& garbage, const GarbageRequest& request) {
  garbage.run = RunStore(connection).need(garbage.run.id);
  garbage.checkpoints.clear();
  if (!is_terminal(garbage.run.state)) return;
  garbage.checkpoints = expendable(connection, garbage.run, wanted(garbage.run, request));
}

void give_up(const Core& core, Connection& connection, const Garbage& garbage,
             const std::string& actor) {
  for (const CheckpointRow& row : garbage.checkpoints) CheckpointStore(connection).doom(row);
  EventStore(connection)
      .add({garbage.run.id, core.now_ms(), actor, "gc",
            fmt::format("{} checkpoints and {} remains, {} bytes", garbage.checkpoints.size(),
                        garbage.leftovers.size(), garbage.bytes())});
}

json row_of(const Garbage& garbage) {
  return {{"id", garbage.run.uid},
          {"name", garbage.run.name},
          {"sweep", garbage.run.sweep_name},
          {"state", to_string(garbage.run.state)},
          {"checkpoints", garbage.checkpoints.size()},
          {"leftovers", garbage.leftovers.size()},
          {"bytes", garbage.bytes()}};
}

json document_of(const Look& look, std::int64_t free_bytes, bool applied) {
  json rows = json::array();
  std::int64_t bytes = 0;
  for (const Garbage& garbage : look.found) {
    rows.push_back(row_of(garbage));
    bytes += garbage.bytes();
  }
  return {{"applied", applied},
          {"runs", rows},
          {"bytes", bytes},
          {"free_bytes", free_bytes < 0 ? json(nullptr) : json(free_bytes)},
          {"to_come",
           {{"runs", look.forecast.runs},
            {"bytes", look.forecast.bytes},
            {"unknown", look.forecast.unknown}}}};
}

}  // namespace

json collect_garbage(Core& core, const GarbageRequest& request, const std::string& actor) {
  const std::int64_t free_bytes = look_at_ground(core).store.free_bytes;
  Look seen = core.database.read([&](Connection& c) {
    return Look{find_garbage(core, c, request), forecast_checkpoints(c)};
  });
  if (!request.apply) return document_of(seen, free_bytes, false);
  core.database.write(Urgency::bulk, [&](Connection& c) {
    for (Garbage& garbage : seen.found) {
      look_again(c, garbage, request);
      give_up(core, c, garbage, actor);
    }
  });
  for (const Garbage& garbage : seen.found) {
    for (const Leftover& leftover : garbage.leftovers) {
      std::error_code ignored;  // It is a leftover still, and found again.
      std::filesystem::remove_all(leftover.folder, ignored);
    }
  }
  return document_of(seen, free_bytes, true);
}

}  // namespace sarsweep::coordinator
