#include "coordinator/core/holding.h"

#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "coordinator/core/families.h"
#include "coordinator/core/holds.h"
#include "coordinator/store/event_store.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

Error fenced(const LeaseKey& key, const std::string& why) {
  return {ErrorCode::fenced,
          fmt::format("run {} epoch {}: {}; stop this trainer", key.run_id, key.lease_epoch, why)};
}

bool is_queued(RunState state) { return state == RunState::queued || state == RunState::backoff; }

// Whether a lost attempt may go on: its run has done nothing but wait since then. A person who took
// the run back meanwhile wants a new attempt, and slots that serve another run are not given twice.
bool may_return(Connection& connection, const Holding& lost) {
  if (!is_queued(lost.run.state)) return false;
  const auto before = EventStore(connection).newest_state(lost.run.id, is_queued);
  if (!before || !is_held(*before)) return false;
  const std::set<int> taken = held_slots(connection, lost.attempt.worker, lost.attempt.incarnation);
  const json slots = json::parse(lost.attempt.slots);
  return std::none_of(slots.begin(), slots.end(),
                      [&](const json& slot) { return taken.contains(slot.get<int>()); });
}

void charge(RunStore& runs, RunRow& run, Charge charge) {
  switch (charge) {
    case Charge::none: return;
    case Charge::user: return runs.count_failure(run, false, 1);
    case Charge::infrastructure: return runs.count_failure(run, true, 1);
    case Charge::memory: return runs.count_halving(run);
  }
}

void reclaim(Core& core, Connection& connection, Holding& holding) {
  AttemptStore(connection).reopen(holding.attempt);
  holding.attempt.end.reset();
  RunStore runs(connection);
  runs.count_failure(holding.run, true, holding.run.infra_failures > 0 ? -1 : 0);
  runs.move(holding.run, {.to = RunState::running,
                          .actor = holding.attempt.worker_name,
                          .reason = "the worker came back before anyone was granted the run",
                          .now_ms = core.now_ms()});
}

}  // namespace

std::string grant_token(const std::string& store_incarnation, const std::string& run,
                        std::int64_t epoch, const std::string& worker_incarnation) {
  return hmac_sha256(store_incarnation, fmt::format("{}|{}|{}", run, epoch, worker_incarnation));
}

std::set<int> held_slots(Connection& connection, std::int64_t worker,
                         const std::string& incarnation) {
  std::set<int> held;
  for (const AttemptRow& attempt : AttemptStore(connection).open_of(worker, incarnation)) {
    for (const json& slot : json::parse(attempt.slots)) held.insert(slot.get<int>());
  }
  return held;
}

Budget budget_of(const RunRow& run) {
  return {run.retries, run.user_failures, run.infra_failures, run.micro_halvings};
}

Holding find_holding(Core& core, Connection& connection, const LeaseKey& key) {
  std::optional<RunRow> run = RunStore(connection).find_uid(key.run_id);
  if (!run) throw fenced(key, "there is no such run");
  std::optional<AttemptRow> attempt = AttemptStore(connection).find(run->id, key.lease_epoch);
  if (!attempt) throw fenced(key, "there was no such grant");
  const std::string token =
      grant_token(core.incarnation, run->uid, attempt->epoch, attempt->incarnation);
  if (!equal_secrets(token, key.grant_token)) throw fenced(key, "the grant token is wrong");
  if (run->lease_epoch != attempt->epoch) {
    throw fenced(key, fmt::format("epoch {} has been granted since", run->lease_epoch));
  }
  return {std::move(*run), std::move(*attempt)};
}

Holding hold(Core& core, Connection& connection, const LeaseKey& key) {
  Holding holding = find_holding(core, connection, key);
  const bool lost = holding.attempt.end == AttemptEnd::lost;
  if (lost && may_return(connection, holding)) reclaim(core, connection, holding);
  if (holding.attempt.end) {
    // What a killed trainer had already written is still welcome.
    const bool killed = holding.attempt.end == AttemptEnd::cancelled && !holding.attempt.exit_code;
    if (!killed) throw fenced(key, "that attempt is over");
    return holding;
  }
  core.leases.set(holding.run.id, core.after(core.options.regrant_after_s));
  return holding;
}

void conclude(Core& core, Connection& connection, Holding& holding, const Ending& ending) {
  const std::int64_t now = core.now_ms();
  AttemptStore(connection).close(holding.attempt, {ending.end, ending.reason, now});
  RunStore runs(connection);
  charge(runs, holding.run, ending.charge);
  Move move{.to = ending.to,
            .actor = holding.attempt.worker_name,
            .reason = ending.reason,
            .now_ms = now};
  if (ending.to == RunState::backoff) move.not_before_ms = now + ending.delay_ms;
  if (holding.run.reason == "withdrawn" && ending.to == RunState::cancelled) {
    move.reason = "withdrawn";
  }
  runs.move(holding.run, move);
  core.leases.drop(holding.run.id);
  if (ending.to == RunState::failed) hold_what_is_over(connection, now);
  settle_families(connection, now);
}

}  // namespace sarsweep::coordinator
