#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"
#include "schema/protocol/run_state.h"

namespace sarsweep::coordinator {

// One grant of a run to a worker.
struct AttemptRow {
  std::int64_t run = 0, epoch = 0, worker = 0;
  std::string worker_name;
  std::string incarnation;  // the worker process's
  std::string slots = "[]";
  std::int64_t resume_step = -1;  // -1: from scratch
  std::int64_t granted_ms = 0;
  std::optional<std::int64_t> started_ms = {}, finished_ms = {};
  std::optional<AttemptEnd> end = {};
  std::optional<std::int64_t> exit_code = {};  // set once the worker's finish was accepted
  std::string reason = {};
  std::optional<std::int64_t> end_exit_code = {};
  std::optional<std::int64_t> end_micro_batch = {};  // where it ran out of memory
  std::int64_t event_bytes = 0, log_bytes = 0;
};

// How an attempt closes.
struct AttemptClose {
  AttemptEnd end = AttemptEnd::failed;
  std::string reason = {};
  std::int64_t now_ms = 0;
};

class AttemptStore {
 public:
  explicit AttemptStore(Connection& connection) : connection_(connection) {}

  void insert(const AttemptRow& row);
  std::optional<AttemptRow> find(std::int64_t run, std::int64_t epoch);
  std::vector<AttemptRow> of_run(std::int64_t run);  // oldest first
  std::vector<AttemptRow> open();                    // without an end, of every run
  // Those of one worker process.
  std::vector<AttemptRow> open_of(std::int64_t worker, const std::string& incarnation);
  void mark_started(std::int64_t run, std::int64_t epoch, std::int64_t now_ms);
  void close(const AttemptRow& attempt, const AttemptClose& close);
  void reopen(const AttemptRow& attempt);  // a lost lease that came back
  void record_exit(const AttemptRow& attempt, int exit_code, int signal);
  void record_end_event(const AttemptRow& attempt, int exit_code,
                        std::optional<std::int64_t> micro_batch);
  void set_event_bytes(const AttemptRow& attempt, std::int64_t bytes);
  void set_log_bytes(const AttemptRow& attempt, std::int64_t bytes);

 private:
  std::vector<AttemptRow> select(const std::string& tail, const SqlValues& values);
  Connection& connection_;
};

}  // namespace sarsweep::coordinator
