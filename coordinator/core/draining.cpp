#include "coordinator/core/draining.h"

#include <fmt/format.h>

#include "coordinator/store/attempt_store.h"
#include "coordinator/store/event_store.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/worker_store.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

std::string command_for(Drain drain, const std::string& worker) {
  switch (drain) {
    case Drain::none: return "sarsweep worker undrain " + worker;
    case Drain::finish: return "sarsweep worker drain " + worker;
    case Drain::now: return fmt::format("sarsweep worker drain {} --now", worker);
  }
  return {};
}

json runs_of(Connection& connection, const WorkerRow& worker) {
  json names = json::array();
  for (const AttemptRow& attempt : AttemptStore(connection).open()) {
    if (attempt.worker != worker.id) continue;
    names.push_back(RunStore(connection).need(attempt.run).full_name());
  }
  return names;
}

}  // namespace

json set_drain(Core& core, const std::string& worker_id, Drain drain, const std::string& actor) {
  return core.database.write(Urgency::state, [&](Connection& c) -> json {
    WorkerStore workers(c);
    const std::optional<WorkerRow> worker = workers.find_uid(worker_id);
    if (!worker) {
      throw Error(ErrorCode::not_found, "no worker has the id '" + worker_id + "'", "id");
    }
    if (worker->drain != drain) {
      workers.set_drain(worker->id, drain, drain == Drain::none ? "" : actor, core.now_ms());
      EventStore(c).add({.run = {},
                         .t_ms = core.now_ms(),
                         .actor = actor,
                         .what = "drain",
                         .detail = fmt::format("worker {}: {} -> {}", worker->name,
                                               to_string(worker->drain), to_string(drain))});
    }
    const bool same = worker->drain == drain;
    return {{"id", worker->uid},
            {"name", worker->name},
            {"drain", to_string(drain)},
            {"was", to_string(worker->drain)},
            {"runs", runs_of(c, *worker)},
            {"undo", same ? json(nullptr) : json(command_for(worker->drain, worker->name))}};
  });
}

}  // namespace sarsweep::coordinator
