#include "coordinator/core/verbs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <vector>

#include "coordinator/core/families.h"
#include "coordinator/core/holding.h"
#include "coordinator/core/holds.h"
#include "coordinator/core/retention.h"
#include "coordinator/store/checkpoint_store.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

json undo_of(const RunRow& run, Verb verb, bool from_scratch) {
  const std::string name = run.full_name();
  switch (verb) {
    case Verb::pause:
    case Verb::cancel:
    case Verb::kill: return "sarsweep resume " + name;
    case Verb::resume: return "sarsweep pause " + name;
    case Verb::retry:
      if (from_scratch) return nullptr;  // The checkpoints are forgotten.
      return "sarsweep cancel " + name;
  }
  return nullptr;
}

std::string possible_in(RunState state) {
  std::vector<std::string_view> verbs;
  for (const Verb verb : kVerbs) {
    const std::optional<RunState> to = after_verb(state, verb);
    if (to && *to != state) verbs.push_back(to_string(verb));
  }
  if (verbs.empty()) return "it has ended";
  return fmt::format("possible: {}", fmt::join(verbs, ", "));
}

RunState target_of(Connection& connection, const RunRow& run, Verb verb) {
  std::optional<RunState> target = after_verb(run.state, verb);
  if (!target) {
    throw Error(ErrorCode::conflict,
                fmt::format("{} is {}: {} is not possible; {}", run.name, to_string(run.state),
                            to_string(verb), possible_in(run.state)));
  }
  const bool child = run.parent || run.parent_choice;
  if (*target != RunState::queued || !child) return *target;
  const bool ready = CheckpointStore(connection).pinned_by(run.id) ||
                     (run.parent && RunStore(connection).need(*run.parent).state == RunState::done);
  return ready ? RunState::queued : RunState::waiting;
}

void act(Core& core, Connection& connection, RunRow& run, const Move& move, bool from_scratch) {
  RunStore runs(connection);
  const bool was_over = is_terminal(run.state);
  const bool was_held = is_held(run.state);
  if (was_held && move.to == RunState::cancelled) {
    const auto attempt = AttemptStore(connection).find(run.id, run.lease_epoch);
    if (!attempt) throw Error(ErrorCode::internal, run.name + " is held without an attempt");
    AttemptStore(connection).close(*attempt, {AttemptEnd::cancelled, "killed", move.now_ms});
    core.leases.drop(run.id);
  }
  runs.move(run, move);
  if (was_over) runs.renew(run, from_scratch);
  if (from_scratch) retire_checkpoints(connection, run);
  settle_families(connection, move.now_ms);
}

}  // namespace

json apply_verb(Core& core, const std::string& run_id, Verb verb, bool from_scratch,
                const std::string& actor) {
  return core.database.write(Urgency::state, [&](Connection& c) -> json {
    RunStore runs(c);
    RunRow run = runs.need_uid(run_id);
    if (run.alias_of) run = runs.need(*run.alias_of);
    std::string lifted;
    if (verb == Verb::resume) lifted = lift_hold(c, run.sweep, actor, core.now_ms());
    const RunState was = run.state;
    const RunState target = target_of(c, run, verb);
    if (target != was) {
      act(core, c, run, {.to = target, .actor = actor, .reason = "", .now_ms = core.now_ms()},
          from_scratch && verb == Verb::retry);
      run = runs.need(run.id);
    }
    return {{"id", run.uid},
            {"name", run.name},
            {"state", to_string(run.state)},
            {"was", to_string(was)},
            {"lifted", lifted},
            {"undo", target == was ? json(nullptr) : undo_of(run, verb, from_scratch)}};
  });
}

}  // namespace sarsweep::coordinator
