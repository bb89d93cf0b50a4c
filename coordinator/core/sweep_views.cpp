#include "coordinator/core/sweep_views.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "coordinator/core/best_parent.h"
#include "coordinator/core/holds.h"
#include "coordinator/core/readiness.h"
#include "coordinator/core/worker_look.h"
#include "coordinator/store/attempt_store.h"
#include "coordinator/store/hold_store.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/sweep_store.h"
#include "coordinator/store/worker_store.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

json summary(Connection& connection, const SweepRow& sweep) {
  const SweepTally tally = RunStore(connection).tally(sweep.id);
  return {{"sweep", sweep.name},
          {"description", sweep.description},
          {"created_ms", sweep.created_ms},
          {"objective", {{"metric", sweep.objective_metric}, {"goal", sweep.objective_goal}}},
          {"report", json::parse(sweep.report)},
          {"cells", tally.cells},
          {"rows", tally.rows},
          {"held", why_held(connection, sweep.id)},
          {"counts", tally.states}};
}

// How many runs of a study are to go, each study counted once.
class StudyCounts {
 public:
  explicit StudyCounts(Connection& connection) : connection_(connection) {}
  std::int64_t left(std::int64_t sweep, const std::string& study) {
    const auto [place, fresh] = left_.try_emplace({sweep, study});
    if (fresh) place->second = look_at_study(connection_, sweep, study).left;
    return place->second;
  }

 private:
  Connection& connection_;
  std::map<std::pair<std::int64_t, std::string>, std::int64_t> left_;
};

// Why the runs of the queue wait, each sweep and each study asked once.
class WaitingLook {
 public:
  explicit WaitingLook(Connection& connection)
      : held_(HoldStore(connection).reasons()), studies_(connection) {}

  // Of the run with `ahead` others before it.
  std::string why(RunState state, const QueueRow& run, std::int64_t ahead) {
    if (state == RunState::backoff) return "tries again after: " + run.reason;
    if (state == RunState::blocked) return run.reason;
    if (state == RunState::waiting && run.parent) {
      return fmt::format("waits for {}, which is {}", run.parent->name,
                         to_string(run.parent->state));
    }
    if (state == RunState::waiting && run.parent_choice) {
      const auto best = json::parse(*run.parent_choice).get<sweep::BestRef>();
      return fmt::format("waits for the best of {}: {} to go", best.study,
                         studies_.left(run.sweep, best.study));
    }
    const auto held = held_.find(run.sweep);
    if (held != held_.end()) return "held: " + held->second;
    return ahead == 0 ? "next for a free slot" : fmt::format("{} ahead of it", ahead);
  }

 private:
  const std::map<std::int64_t, std::string> held_;
  StudyCounts studies_;
};

std::string life_of(const Core& core, const WorkerRow& worker) {
  const auto heard = core.leases.last_heard(worker.id);
  if (worker.departed || !heard) return worker.departed ? "gone" : "silent";
  const double silent = std::chrono::duration<double>(core.clock.steady() - *heard).count();
  if (silent <= core.options.lease_s) return "live";
  return silent <= core.options.regrant_after_s ? "silent" : "gone";
}

std::int64_t last_seen_ms(const Core& core, const WorkerRow& worker) {
  const auto heard = core.leases.last_heard(worker.id);
  if (!heard) return worker.last_seen_ms;
  const auto ago = core.clock.steady() - *heard;
  return core.now_ms() - std::chrono::duration_cast<std::chrono::milliseconds>(ago).count();
}

// The run on each slot of each worker.
using Busy = std::map<std::pair<std::int64_t, int>, RunRow>;

Busy busy_slots(Connection& connection) {
  Busy busy;
  for (const AttemptRow& attempt : AttemptStore(connection).open()) {
    const RunRow run = RunStore(connection).need(attempt.run);
    for (const int slot : json::parse(attempt.slots)) busy[{attempt.worker, slot}] = run;
  }
  return busy;
}

json slots_of(const Busy& busy, const WorkerRow& worker) {
  std::map<int, std::string> resting;
  for (const json& slot : json::parse(worker.resting)) resting[slot["index"]] = slot["reason"];
  json slots = json::array();
  for (const Slot& slot : parse_slots(worker.slots)) {
    const auto run = busy.find({worker.id, slot.index});
    const bool taken = run != busy.end();
    slots.push_back({{"index", slot.index},
                     {"device", slot.device},
                     {"vram", slot.vram > 0 ? json(slot.vram) : json(nullptr)},
                     {"resting", resting[slot.index]},
                     {"run_id", taken ? json(run->second.uid) : json(nullptr)},
                     {"run_name", taken ? json(run->second.name) : json(nullptr)}});
  }
  return slots;
}

}  // namespace

json sweeps_view(Connection& connection) {
  json out = json::array();
  for (const SweepRow& sweep : SweepStore(connection).all()) {
    out.push_back(summary(connection, sweep));
  }
  return out;
}

json sweep_view(Connection& connection, const std::string& name) {
  const SweepRow sweep = SweepStore(connection).need(name);
  json document = summary(connection, sweep);
  document["text"] = sweep.text;
  document["file"] = sweep.file;
  document["studies"] = json::parse(sweep.studies);
  return document;
}

json queue_view(Connection& connection, std::int64_t limit) {
  static constexpr const char* kPriority[] = {"low", "normal", "high"};
  RunStore runs(connection);
  WaitingLook waiting(connection);
  json out = json::array();
  std::int64_t ahead = 0;
  for (const RunState state :
       {RunState::queued, RunState::backoff, RunState::waiting, RunState::blocked}) {
    runs.each_waiting(state, [&](const QueueRow& run) {
      if (ahead >= limit) return false;
      out.push_back({{"position", ahead + 1},
                     {"id", run.uid},
                     {"name", run.name},
                     {"sweep", run.sweep_name},
                     {"state", to_string(state)},
                     {"reason", waiting.why(state, run, ahead)},
                     {"priority", kPriority[run.priority + 1]}});
      ++ahead;
      return true;
    });
  }
  return out;
}

json names_view(Connection& connection, const std::string& prefix) {
  json out = json::array();
  for (const RunName& run : RunStore(connection).names(prefix)) {
    out.push_back({{"sweep", run.sweep}, {"name", run.name}});
  }
  return out;
}

json workers_view(const Core& core, Connection& connection) {
  const Busy busy = busy_slots(connection);
  json out = json::array();
  for (const WorkerRow& worker : WorkerStore(connection).all()) {
    out.push_back({{"id", worker.uid},
                   {"name", worker.name},
                   {"host", worker.host},
                   {"state", life_of(core, worker)},
                   {"draining", worker.draining},
                   {"drain", to_string(worker.drain)},
                   {"drained_by", worker.drained_by},
                   {"drained_ms",
                    worker.drain == Drain::none ? json(nullptr) : json(worker.drained_ms.value())},
                   {"last_seen_ms", last_seen_ms(core, worker)},
                   {"slots", slots_of(busy, worker)}});
  }
  return out;
}

std::string prometheus_text(const Core& core, Connection& connection) {
  std::string text = "# HELP sarsweep_runs Runs by state.\n# TYPE sarsweep_runs gauge\n";
  for (const RunState state : kRunStates) {
    const auto n =
        connection.integer("SELECT COUNT(*) FROM run WHERE state = ?1 AND alias_of IS NULL",
                           {std::string(to_string(state))});
    text += fmt::format("sarsweep_runs{{state=\"{}\"}} {}\n", to_string(state), n.value_or(0));
  }
  std::map<std::string, int> workers = {{"live", 0}, {"silent", 0}, {"gone", 0}};
  for (const WorkerRow& worker : WorkerStore(connection).all()) ++workers[life_of(core, worker)];
  text += "# HELP sarsweep_workers Workers by state.\n# TYPE sarsweep_workers gauge\n";
  for (const auto& [state, n] : workers) {
    text += fmt::format("sarsweep_workers{{state=\"{}\"}} {}\n", state, n);
  }
  text += "# HELP sarsweep_attempts_total Attempts by their end.\n";
  text += "# TYPE sarsweep_attempts_total counter\n";
  for (const AttemptEnd end : kAttemptEnds) {
    const auto n = connection.integer("SELECT COUNT(*) FROM attempt WHERE \"end\" = ?1",
                                      {std::string(to_string(end))});
    text +=
        fmt::format("sarsweep_attempts_total{{end=\"{}\"}} {}\n", to_string(end), n.value_or(0));
  }
  const Ground ground = look_at_ground(core);
  text += "# HELP sarsweep_disk_free_bytes Free space by folder.\n";
  text += "# TYPE sarsweep_disk_free_bytes gauge\n";
  text += fmt::format("sarsweep_disk_free_bytes{{folder=\"home\"}} {}\n", ground.home.free_bytes);
  text += fmt::format("sarsweep_disk_free_bytes{{folder=\"store\"}} {}\n", ground.store.free_bytes);
  text += "# HELP sarsweep_database_bytes The database and its log.\n";
  text += "# TYPE sarsweep_database_bytes gauge\n";
  text += fmt::format("sarsweep_database_bytes {}\n", ground.database_bytes);
  return text;
}

}  // namespace sarsweep::coordinator
