#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

struct SweepRow {
  std::int64_t id = 0;
  std::string name, description, objective_metric, objective_goal;
  std::string report = "[]", studies = "[]", baselines = "{}";  // JSON
  std::string text, file;
  std::int64_t created_ms = 0;
};

struct Submission {
  std::string digest;  // of the request
  std::string reply;   // JSON
};

// The sweeps and the replies to their submits.
class SweepStore {
 public:
  explicit SweepStore(Connection& connection) : connection_(connection) {}

  // Inserts the sweep or replaces what the file says of it; returns its id.
  std::int64_t save(const SweepRow& row);
  std::optional<SweepRow> find(const std::string& name);
  SweepRow need(const std::string& name);  // Throws Error(not_found) with the names there are.
  std::vector<SweepRow> all();             // newest first

  std::optional<Submission> find_submission(const std::string& key);
  void save_submission(const std::string& key, const Submission& submission, std::int64_t now_ms);

 private:
  std::vector<SweepRow> select(const std::string& tail, const SqlValues& values);
  Connection& connection_;
};

}  // namespace sarsweep::coordinator
