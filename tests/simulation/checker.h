#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/store/connection.h"
#include "schema/protocol/run_state.h"

namespace sarsweep::simulation {

// Looks into the coordinator's database from outside, after everything that happened, and says
// which promise is broken. It remembers what was promised to workers and people.
class Checker {
 public:
  using Attempt = std::pair<std::string, std::int64_t>;  // run id, epoch

  explicit Checker(const std::filesystem::path& home);

  // ---- what was acknowledged ----
  bool granted(const Attempt& attempt, const std::string& worker);  // false: not for the first time
  void stored(const Attempt& attempt, std::int64_t bytes, const std::string& events);
  void finished(const Attempt& attempt);
  void asked(const std::string& run, Verb verb);
  void withdrawn(const std::string& run);

  // The first sentence that does not hold; nullopt: all hold.
  std::optional<std::string> look();
  // The same for what takes long to look at: every point, every acknowledged byte.
  std::optional<std::string> look_closely();
  // For a history without faults: every run is done, at its first attempt.
  std::optional<std::string> look_for_waste();
  // The states of all runs, by name.
  std::map<std::string, RunState> states();
  std::string dump();
  // Before the database is closed or moved.
  void close() {
    connection_.reset();
    looked_at_.reset();
  }

 private:
  struct Seen {
    RunState state = RunState::queued;
    std::int64_t epoch = 0;
  };
  coordinator::Connection& database();
  std::optional<std::string> look_at_runs();
  std::optional<std::string> look_at_attempts();
  std::optional<std::string> look_at_slots();
  std::optional<std::string> look_at_done(const std::string& run, const std::string& name);
  std::optional<std::string> look_at_points();
  std::optional<std::string> look_at_parents();

  std::filesystem::path file_, store_;
  std::unique_ptr<coordinator::Connection> connection_;
  std::optional<std::int64_t> looked_at_;  // the version of the database
  std::map<std::string, Seen> seen_;
  std::map<Attempt, std::optional<std::string>> ends_;
  std::map<Attempt, std::string> grantees_;
  std::map<Attempt, std::int64_t> bytes_;
  std::map<Attempt, std::string> events_;
  std::set<Attempt> finished_;
  std::set<std::string> stopped_;             // cancelled or killed, and not asked for since
  std::set<std::string> woken_;               // may leave a final state
  std::map<std::string, std::int64_t> over_;  // the newest epoch when a person last began anew
};

}  // namespace sarsweep::simulation
