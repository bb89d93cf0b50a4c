#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"
#include "schema/protocol/worker_state.h"

namespace sarsweep::coordinator {

struct WorkerRow {
  std::int64_t id = 0;
  std::string uid, name, incarnation, host;
  std::int64_t threads = 1;
  std::string slots = "[]";                 // JSON
  bool draining = false, departed = false;  // by its own process
  std::int64_t last_seen_ms = 0;
  Drain drain = Drain::none;  // by a person
  std::string drained_by = {};
  std::optional<std::int64_t> drained_ms = {};
  std::string resting = "[]";  // JSON [{index, reason}]

  bool takes_runs() const { return !draining && !departed && drain == Drain::none; }
};

// The workers and the answers to their lease requests.
class WorkerStore {
 public:
  explicit WorkerStore(Connection& connection) : connection_(connection) {}

  // A name keeps its id, and what a person wants of it, over restarts of its process. Returns the
  // id outside.
  std::string save(const WorkerRow& row);
  std::optional<WorkerRow> find_uid(const std::string& uid);
  std::optional<WorkerRow> find_name(const std::string& name);
  std::vector<WorkerRow> all();
  void set_draining(std::int64_t id, bool draining);
  void set_resting(const WorkerRow& worker, const std::string& resting);
  void depart(std::int64_t id);
  void set_drain(std::int64_t id, Drain drain, const std::string& by, std::int64_t now_ms);

  std::optional<std::string> find_reply(const WorkerRow& worker, const std::string& nonce);
  // Keeps the newest replies of a worker only: it repeats no older request.
  void save_reply(const WorkerRow& worker, const std::string& nonce, const std::string& reply,
                  std::int64_t now_ms);

 private:
  std::vector<WorkerRow> select(const std::string& tail, const SqlValues& values);
  Connection& connection_;
};

}  // namespace sarsweep::coordinator
