#include "coordinator/core/reaper.h"

#include "coordinator/core/families.h"
#include "coordinator/core/holding.h"
#include "coordinator/core/holds.h"

namespace sarsweep::coordinator {

namespace {

// A wall clock that was set back past the backoff's begin says nothing about its length any more:
// it ends.
bool is_over(const RunRow& backoff, std::int64_t now_ms) {
  return backoff.not_before_ms.value_or(0) <= now_ms || now_ms < backoff.state_ms;
}

}  // namespace

void reap(Core& core) {
  core.database.write(Urgency::state, [&](Connection& c) {
    const auto now = core.clock.steady();
    RunStore runs(c);
    for (const AttemptRow& attempt : AttemptStore(c).open()) {
      // What ended this attempt was not stored (the disk was full, say), and it lives on.
      if (!core.leases.knows(attempt.run)) {
        core.leases.set(attempt.run, core.after(core.options.regrant_after_s));
      }
      if (!core.leases.expired(attempt.run, now)) continue;
      Holding holding{runs.need(attempt.run), attempt};
      conclude(core, c, holding, ending_of_lost_lease(holding.run.state, budget_of(holding.run)));
    }
    for (RunRow& run : runs.in_state(RunState::backoff)) {
      if (!is_over(run, core.now_ms())) continue;
      runs.move(run, {.to = RunState::queued, .actor = "coordinator", .now_ms = core.now_ms()});
    }
    settle_families(c, core.now_ms());
    hold_what_is_over(c, core.now_ms());
  });
}

}  // namespace sarsweep::coordinator
