#include "coordinator/core/holds.h"

#include <fmt/format.h>

#include <optional>

#include "coordinator/store/event_store.h"
#include "coordinator/store/hold_store.h"

namespace sarsweep::coordinator {
namespace {

std::optional<std::string> reached(HoldStore& holds, const SweepHold& hold) {
  if (hold.max_failures) {
    const std::int64_t failures = holds.failures(hold);
    if (failures >= *hold.max_failures) {
      return fmt::format("{} run{} failed (limits.max_failures: {})", failures,
                         failures == 1 ? "" : "s", *hold.max_failures);
    }
  }
  if (hold.gpu_hours) {
    const double hours = holds.gpu_hours(hold);
    if (hours >= *hold.gpu_hours) {
      return fmt::format("{:.2f} GPU hours are used (limits.gpu_hours: {:g})", hours,
                         *hold.gpu_hours);
    }
  }
  return std::nullopt;
}

}  // namespace

void hold_what_is_over(Connection& connection, std::int64_t now_ms) {
  HoldStore holds(connection);
  for (const SweepHold& hold : holds.watched()) {
    const std::optional<std::string> reason = reached(holds, hold);
    if (!reason) continue;
    holds.hold(hold.sweep, *reason);
    EventStore(connection)
        .add({.run = {},
              .t_ms = now_ms,
              .actor = "coordinator",
              .what = "held",
              .detail = fmt::format("sweep {}: {}", hold.sweep, *reason)});
  }
}

std::string why_held(Connection& connection, std::int64_t sweep) {
  const std::optional<SweepHold> hold = HoldStore(connection).find(sweep);
  return hold ? hold->held : std::string();
}

std::string held_remark(Connection& connection, std::int64_t sweep) {
  const std::string reason = why_held(connection, sweep);
  return reason.empty() ? reason : "held: " + reason;
}

std::string lift_hold(Connection& connection, std::int64_t sweep, const std::string& actor,
                      std::int64_t now_ms) {
  const std::string reason = why_held(connection, sweep);
  if (reason.empty()) return reason;
  EventStore(connection)
      .add({.run = {},
            .t_ms = now_ms,
            .actor = actor,
            .what = "lifted",
            .detail = fmt::format("sweep {}: {}", sweep, reason)});
  HoldStore(connection).lift(sweep);
  return reason;
}

}  // namespace sarsweep::coordinator
