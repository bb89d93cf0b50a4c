#include "coordinator/core/families.h"

#include <optional>
#include <string>

#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {
namespace {

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
