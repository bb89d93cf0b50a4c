#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "schema/base/clock.h"
#include "schema/base/guarded.h"

namespace sarsweep::coordinator {

// When each open lease ends, and when each worker was last heard, in monotonic time. Only memory:
// after a restart every open lease starts with a grace. Thread-safe; decisions are made on the
// store's writer thread, so that an expiry and a heartbeat cannot cross.
class LeaseClock {
 public:
  using TimePoint = Clock::TimePoint;

  explicit LeaseClock(TimePoint now) : looked_(now) {}

  void set(std::int64_t run, TimePoint until) {
    ends_.with([&](auto& ends) { ends[run] = until; });
  }
  void drop(std::int64_t run) {
    ends_.with([&](auto& ends) { ends.erase(run); });
  }
  // True if the lease of `run` is over; a lease this process has never seen is not.
  bool expired(std::int64_t run, TimePoint now) const {
    return ends_.with([&](const auto& ends) {
      const auto found = ends.find(run);
      return found != ends.end() && found->second <= now;
    });
  }

  // Only ever later.
  void extend(std::int64_t run, TimePoint until) {
    ends_.with([&](auto& ends) {
      TimePoint& end = ends[run];
      end = std::max(end, until);
    });
  }

  bool knows(std::int64_t run) const {
    return ends_.with([&](const auto& ends) { return ends.contains(run); });
  }

  // The leases are looked at now. Returns how long nobody did before.
  Clock::TimePoint::duration look(TimePoint now) {
    return now - looked_.with([&](auto& looked) { return std::exchange(looked, now); });
  }

  void heard(std::int64_t worker, TimePoint now) {
    seen_.with([&](auto& seen) { seen[worker] = now; });
  }
  std::optional<TimePoint> last_heard(std::int64_t worker) const {
    return seen_.with([&](const auto& seen) -> std::optional<TimePoint> {
      const auto found = seen.find(worker);
      if (found == seen.end()) return std::nullopt;
      return found->second;
    });
  }

 private:
  Guarded<std::map<std::int64_t, TimePoint>> ends_;
  Guarded<std::map<std::int64_t, TimePoint>> seen_;
  Guarded<TimePoint> looked_;
};

}  // namespace sarsweep::coordinator
