#include "coordinator/core/families.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "coordinator/core/best_parent.h"
#include "coordinator/store/run_store.h"
#include "schema/base/digest.h"

namespace sarsweep::coordinator {
namespace {

bool cannot_finish(RunState state) {
  using enum RunState;
  return state == failed || state == cancelled || state == blocked;
}

struct Verdict {
  RunState to;
  std::string reason = {};
};

std::optional<Verdict> of_parent(RunState state, const RunRow& parent) {
  const bool bad = cannot_finish(parent.state);
  if (state == RunState::blocked) {
    return bad ? std::nullopt : std::optional(Verdict{RunState::waiting});
  }
  if (parent.state == RunState::done) return Verdict{RunState::queued};
  if (!bad) return std::nullopt;
  return Verdict{RunState::blocked,
                 "its parent " + parent.name + " is " + std::string(to_string(parent.state))};
}

std::optional<Verdict> without_parent(RunState state) {
  return Verdict{state == RunState::blocked ? RunState::waiting : RunState::queued};
}

std::optional<Verdict> of_choice(RunState state, const Choice& choice) {
  const bool bad = !choice.parent && !choice.why_not.empty();
  if (state == RunState::blocked) {
    return bad ? std::nullopt : std::optional(Verdict{RunState::waiting});
  }
  if (bad) return Verdict{RunState::blocked, choice.why_not};
  if (!choice.parent) return std::nullopt;
  return Verdict{RunState::queued, "starts from " + choice.parent->name};
}

// A parent that is chosen is written down, and never chosen again.
std::optional<Verdict> of_study(Connection& connection, ParentChooser& chooser, const RunRow& run,
                                const sweep::BestRef& best) {
  const Choice choice = chooser.choose(run, best);
  std::optional<Verdict> verdict = of_choice(run.state, choice);
  if (verdict && verdict->to == RunState::queued) {
    RunStore(connection)
        .choose_parent(run.id, choice.parent->id,
                       child_hash(run.run_hash, choice.parent->run_hash));
  }
  return verdict;
}

std::optional<Verdict> verdict_on(Connection& connection, ParentChooser& chooser,
                                  const RunRow& run) {
  if (run.parent) return of_parent(run.state, RunStore(connection).need(*run.parent));
  const auto best = best_ref_of(run);
  return best ? of_study(connection, chooser, run, *best) : without_parent(run.state);
}

RunRow as_child(const AwaitedChoice& awaited) {
  RunRow child;
  child.sweep = awaited.sweep;
  child.seed = awaited.seed;
  child.parent_checkpoint = awaited.parent_checkpoint;
  child.parent_choice = awaited.parent_choice;
  return child;
}

// The runs in `state` that may have to move, in submit order: those whose parent lets them, those
// whose parent can be chosen, and those without one. What waits behind a run that trains is not
// read, ten thousand runs perhaps.
std::vector<RunRow> unsettled(RunStore& runs, ParentChooser& chooser, RunState state) {
  std::vector<RunRow> found = runs.behind_nothing(state);
  const auto add = [&found](std::vector<RunRow> children) {
    std::move(children.begin(), children.end(), std::back_inserter(found));
  };
  for (const ParentState& parent : runs.parents_of(state)) {
    RunRow look;
    look.state = parent.state;
    if (of_parent(state, look)) add(runs.behind(state, parent.id));
  }
  for (const AwaitedChoice& awaited : runs.choices_of(state)) {
    const RunRow child = as_child(awaited);
    if (of_choice(state, chooser.choose(child, *best_ref_of(child)))) {
      add(runs.behind(state, awaited));
    }
  }
  std::sort(found.begin(), found.end(), [](const RunRow& a, const RunRow& b) {
    return std::tuple(a.sweep, a.position, a.id) < std::tuple(b.sweep, b.position, b.id);
  });
  return found;
}

// True if a run moved, so that its own children may have to.
bool settle_once(Connection& connection, RunState state, std::int64_t now_ms) {
  RunStore runs(connection);
  ParentChooser chooser(connection);
  bool moved = false;
  for (RunRow& run : unsettled(runs, chooser, state)) {
    const std::optional<Verdict> verdict = verdict_on(connection, chooser, run);
    if (!verdict) continue;
    runs.move(
        run,
        {.to = verdict->to, .actor = "coordinator", .reason = verdict->reason, .now_ms = now_ms});
    moved = true;
  }
  return moved;
}

}  // namespace

std::string child_hash(const std::string& own, const std::string& parent) {
  return sha256(own + "|" + parent);
}

void settle_families(Connection& connection, std::int64_t now_ms) {
  bool moved = true;
  while (moved) {  // Ends: a chain of parents has finitely many links, and no two rules undo each
                   // other.
    moved = settle_once(connection, RunState::blocked, now_ms);
    moved = settle_once(connection, RunState::waiting, now_ms) || moved;
  }
}

}  // namespace sarsweep::coordinator
