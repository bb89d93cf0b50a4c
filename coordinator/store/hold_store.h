#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

// The limits of a sweep that are watched while it runs, and whether it is held.
struct SweepHold {
  std::int64_t sweep = 0;
  std::optional<double> gpu_hours = {};
  std::optional<std::int64_t> max_failures = {};
  std::string held = {};  // why; empty: it is not
  std::int64_t lifted_seq = 0;
  double lifted_gpu_hours = 0;
};

class HoldStore {
 public:
  explicit HoldStore(Connection& connection) : connection_(connection) {}

  // What the file says now; whether it is held stays.
  void set_limits(std::int64_t sweep, std::optional<double> gpu_hours,
                  std::optional<std::int64_t> max_failures);
  std::optional<SweepHold> find(std::int64_t sweep);
  std::vector<SweepHold> watched();               // with a limit, and not held
  std::set<std::int64_t> held();                  // the sweeps
  std::map<std::int64_t, std::string> reasons();  // of those, why

  void hold(std::int64_t sweep, const std::string& reason);
  // Its failures and hours so far no longer count.
  void lift(std::int64_t sweep);

  // Runs of the sweep that have failed since the hold was last lifted and are still failed.
  std::int64_t failures(const SweepHold& hold);
  // The run's hours as its trainer counted them last; to be called when it has counted on.
  void take_hours(std::int64_t sweep, std::int64_t run);
  // GPU hours of the sweep since then, as its trainers count them.
  double gpu_hours(const SweepHold& hold);

 private:
  std::vector<SweepHold> select(const std::string& where, const SqlValues& values);
  Connection& connection_;
};

}  // namespace sarsweep::coordinator
