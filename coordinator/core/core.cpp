#include "coordinator/core/core.h"

#include <utility>

#include "coordinator/store/attempt_store.h"
#include "coordinator/store/run_store.h"
#include "schema/base/digest.h"

namespace sarsweep::coordinator {
namespace {

CoordinatorOptions absolute(CoordinatorOptions options) {
  options.home = std::filesystem::absolute(options.home).lexically_normal();
  if (options.store.empty()) options.store = options.home / "store";
  options.store = std::filesystem::absolute(options.store).lexically_normal();
  return options;
}

std::string stored_incarnation(Connection& connection, std::int64_t now_ms) {
  connection.change(
      "INSERT INTO store_info (one, incarnation, created_ms) VALUES (1, ?1, ?2)"
      " ON CONFLICT DO NOTHING",
      {random_hex(32), now_ms});
  return connection.text("SELECT incarnation FROM store_info").value();
}

bool cannot_finish(RunState state) {
  using enum RunState;
  return state == failed || state == cancelled || state == blocked;
}

std::optional<RunState> settled(RunState state, const std::optional<RunRow>& of) {
  if (!of) return state == RunState::blocked ? RunState::waiting : RunState::queued;
  const RunRow& parent = *of;
  const bool bad = cannot_finish(parent.state);
  if (state == RunState::blocked) return bad ? std::nullopt : std::optional(RunState::waiting);
  if (parent.state == RunState::done) return RunState::queued;
  return bad ? std::optional(RunState::blocked) : std::nullopt;
}

// True if a run moved, so that its own children may have to.
bool settle_once(RunStore& runs, RunState state, std::int64_t now_ms) {
  bool moved = false;
  for (RunRow& run : runs.in_state(state)) {
    const std::optional<RunRow> parent =
        run.parent ? std::optional(runs.need(*run.parent)) : std::nullopt;
    const std::optional<RunState> to = settled(state, parent);
    if (!to) continue;
    const std::string reason = *to == RunState::blocked ? "its parent " + parent->name + " is " +
                                                              std::string(to_string(parent->state))
                                                        : "";
    runs.move(run, {.to = *to, .actor = "coordinator", .reason = reason, .now_ms = now_ms});
    moved = true;
  }
  return moved;
}

}  // namespace

Core::Core(CoordinatorOptions chosen, const Clock& time, SweepLanguage sweeps)
    : options(absolute(std::move(chosen))),
      clock(time),
      language(std::move(sweeps)),
      lock(options.home),
      database(options.home / "sarsweep.db"),
      objects(options.store) {
  incarnation = database.write(Urgency::state,
                               [this](Connection& c) { return stored_incarnation(c, now_ms()); });
  const auto until = after(std::max(options.restart_grace_s, options.regrant_after_s));
  database.write(Urgency::state, [&](Connection& c) {
    for (const AttemptRow& attempt : AttemptStore(c).open()) leases.set(attempt.run, until);
  });
}

void settle_families(Connection& connection, std::int64_t now_ms) {
  RunStore runs(connection);
  bool moved = true;
  while (moved) {  // Ends: a chain of parents has finitely many links, and no two rules undo each
                   // other.
    moved = settle_once(runs, RunState::blocked, now_ms);
    moved = settle_once(runs, RunState::waiting, now_ms) || moved;
  }
}

}  // namespace sarsweep::coordinator
