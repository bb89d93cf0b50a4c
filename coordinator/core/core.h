#pragma once

#include <algorithm>
#include <chrono>
#include <string>

#include "coordinator/core/coordinator_options.h"
#include "coordinator/core/lease_clock.h"
#include "coordinator/core/object_store.h"
#include "coordinator/core/sweep_language.h"
#include "coordinator/store/database.h"
#include "coordinator/store/home_lock.h"
#include "schema/base/clock.h"

namespace sarsweep::coordinator {

// What the parts of the coordinator share. Every member is thread-safe or constant.
struct Core {
  Core(CoordinatorOptions chosen, const Clock& time, SweepLanguage sweeps);

  std::int64_t now_ms() const { return clock.unix_ms(); }
  Clock::TimePoint after(double seconds) const {
    return clock.steady() + std::chrono::duration_cast<Clock::TimePoint::duration>(
                                std::chrono::duration<double>(seconds));
  }

  // What every lease gets at least where this process was not there to hear of it.
  double grace_s() const { return std::max(options.restart_grace_s, options.regrant_after_s); }

  const CoordinatorOptions options;  // with absolute folders
  const Clock& clock;
  const SweepLanguage language;
  const HomeLock lock;
  Database database;
  ObjectStore objects;
  LeaseClock leases;
  std::string incarnation;  // secret of this store's grant tokens
};

}  // namespace sarsweep::coordinator
