#include "coordinator/core/reaper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "coordinator/core/families.h"
#include "coordinator/core/holding.h"
#include "coordinator/core/holds.h"

namespace sarsweep::coordinator {

namespace {

// It looks about once a second, and may be late by as much again under load.
constexpr double kUnnoticedS = 2.5;

// A wall clock that was set back past the backoff's begin says nothing about its length any more:
// it ends.
bool is_over(const RunRow& backoff, std::int64_t now_ms) {
  return backoff.not_before_ms.value_or(0) <= now_ms || now_ms < backoff.state_ms;
}

// No heartbeat was taken while this process stood still: under SIGSTOP, on a machine that slept,
// behind a disk that did not answer. The silence of the workers meanwhile was its own.
void forgive_own_absence(Core& core, const std::vector<AttemptRow>& open, Clock::TimePoint now) {
  const std::chrono::duration<double> away = core.leases.look(now);
  const double longest = std::max(kUnnoticedS, core.options.regrant_after_s / 4);
  if (away.count() <= longest) return;
  spdlog::warn("the coordinator stood still for {:.0f} s; every lease gets {:.0f} s from now on",
               away.count(), core.grace_s());
  for (const AttemptRow& attempt : open) {
    core.leases.extend(attempt.run, core.after(core.grace_s()));
  }
}

}  // namespace

void reap(Core& core) {
  core.database.write(Urgency::state, [&](Connection& c) {
    const auto now = core.clock.steady();
    RunStore runs(c);
    const std::vector<AttemptRow> open = AttemptStore(c).open();
    forgive_own_absence(core, open, now);
    for (const AttemptRow& attempt : open) {
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
