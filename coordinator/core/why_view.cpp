#include "coordinator/core/why_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "coordinator/core/best_parent.h"
#include "coordinator/core/holds.h"
#include "coordinator/core/leasing.h"
#include "coordinator/core/readiness.h"
#include "coordinator/core/sweep_views.h"
#include "coordinator/core/wait_reasons.h"
#include "coordinator/store/attempt_store.h"
#include "coordinator/store/slurm_store.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

std::vector<MachineLook> machines(const Core& core, Connection& connection) {
  std::vector<MachineLook> all;
  for (const json& worker : workers_view(core, connection)) {
    MachineLook machine{.worker = worker["name"],
                        .live = worker["state"] == "live",
                        .draining = worker["draining"],
                        .drained_by = worker["drained_by"],
                        .slots = {}};
    for (const json& slot : worker["slots"]) {
      const json& run = slot["run_name"];
      machine.slots.push_back({slot["device"], run.is_null() ? "" : run.get<std::string>(),
                               slot["vram"].is_null() ? 0 : slot["vram"].get<std::int64_t>(),
                               slot["resting"]});
    }
    all.push_back(std::move(machine));
  }
  return all;
}

std::vector<WaitLook::Pool> pools(Connection& connection) {
  std::vector<WaitLook::Pool> all;
  SlurmStore store(connection);
  for (const SlurmPoolRow& row : store.pools()) {
    WaitLook::Pool pool{.name = row.name,
                        .paused = row.state == PoolState::paused,
                        .reason = row.reason,
                        .waiting = 0};
    for (const SlurmJobRow& job : store.jobs(row.id)) {
      if (job.state != SlurmJobState::pending) continue;
      ++pool.waiting;
      if (pool.reason.empty()) pool.reason = job.reason;
    }
    all.push_back(std::move(pool));
  }
  return all;
}

std::int64_t count_ahead(Connection& connection, const RunRow& run) {
  const std::vector<Candidate> order = queue_in_order(connection);
  const auto place = std::find_if(order.begin(), order.end(),
                                  [&](const Candidate& other) { return other.run == run.id; });
  return place == order.end() ? 0 : place - order.begin();
}

WaitLook look_at(const Core& core, Connection& connection, const RunRow& run) {
  const json config = run.config.whole();
  WaitLook look;
  look.state = run.state;
  look.name = run.full_name();
  look.reason = run.reason;
  look.held = why_held(connection, run.sweep);
  look.sweep = run.sweep_name;
  look.slots = config.value("resources.gpus", std::int64_t{1});
  look.device = config.value("resources.device", "auto");
  look.vram = run.vram;
  if (run.not_before_ms) {
    look.seconds_left =
        std::max<std::int64_t>(0, (*run.not_before_ms - core.now_ms() + 999) / 1000);
  }
  if (run.parent) {
    const RunRow parent = RunStore(connection).need(*run.parent);
    look.parent = {parent.full_name(), parent.state, parent.step, parent.total_steps};
  }
  if (const auto best = best_ref_of(run)) {
    const StudyLook study = look_at_study(connection, run.sweep, best->study);
    look.study = {best->study, study.left,
                  study.next.empty() ? "" : run.sweep_name + "/" + study.next};
  }
  if (is_held(run.state)) {
    const auto attempt = AttemptStore(connection).find(run.id, run.lease_epoch);
    if (attempt) look.worker = attempt->worker_name;
  }
  if (run.state != RunState::queued) return look;
  look.shortage = fmt::format("{}", fmt::join(why_not_ready(look_at_ground(core)), ", "));
  look.ahead = count_ahead(connection, run);
  look.machines = machines(core, connection);
  look.pools = pools(connection);
  return look;
}

}  // namespace

json why_view(const Core& core, Connection& connection, const RunRow& run) {
  const RunRow& target = run.alias_of ? RunStore(connection).need(*run.alias_of) : run;
  json reasons = json::array();
  if (run.alias_of) {
    reasons.push_back({{"code", "alias"},
                       {"message", "it is another name of " + target.full_name() +
                                       ", which is trained once for both"},
                       {"cure", ""}});
  }
  for (const WaitReason& reason : wait_reasons(look_at(core, connection, target))) {
    reasons.push_back({{"code", reason.code}, {"message", reason.message}, {"cure", reason.cure}});
  }
  return {{"id", run.uid},
          {"name", run.name},
          {"sweep", run.sweep_name},
          {"state", to_string(target.state)},
          {"reasons", reasons}};
}

}  // namespace sarsweep::coordinator
