#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"
#include "schema/protocol/run_state.h"

namespace sarsweep::coordinator {

struct EventRow {
  std::optional<std::int64_t> run;
  std::int64_t t_ms = 0;
  std::string actor;  // a person's token name, a worker's name, "coordinator", "trainer"
  std::string what;   // the new state, or a word such as "warning"
  std::string detail;
  std::int64_t seq = 0;
};

// Who did what to which run, when and why; append-only.
class EventStore {
 public:
  explicit EventStore(Connection& connection) : connection_(connection) {}
  void add(const EventRow& event);
  // That the runs of `sweep` from the id `first` on were submitted, by whom.
  void add_submitted(std::int64_t sweep, std::int64_t first, const std::string& actor);
  std::vector<EventRow> of_run(std::int64_t run, std::int64_t after, std::int64_t limit);
  // The newest state `run` has been in for which `passed_over` is false.
  std::optional<RunState> newest_state(std::int64_t run, bool (*passed_over)(RunState));

 private:
  Connection& connection_;
};

}  // namespace sarsweep::coordinator
