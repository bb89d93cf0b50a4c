#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"
#include "schema/protocol/slurm_state.h"

namespace sarsweep::coordinator {

struct SlurmPoolRow {
  std::int64_t id = 0;
  std::string name = {}, request = {};  // JSON of SlurmPoolRequest
  PoolState state = PoolState::active;
  std::string reason = {};
  std::int64_t failures = 0;              // jobs in a row that came to nothing
  std::optional<std::string> slots = {};  // JSON, of its newest worker
  std::int64_t created_ms = 0;
};

struct SlurmJobRow {
  std::int64_t id = 0, pool = 0;
  std::string token = {}, worker_name = {};
  SlurmJobState state = SlurmJobState::submitting;
  std::string job_id = {};                  // empty: not known
  std::optional<std::int64_t> worker = {};  // that was admitted for it
  std::string reason = {};
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> ended_ms = {};
};

// The pools of Slurm jobs and the jobs they asked for.
class SlurmStore {
 public:
  explicit SlurmStore(Connection& connection) : connection_(connection) {}

  // Throws Error(conflict) where the name is taken.
  std::int64_t add_pool(const SlurmPoolRow& pool);
  std::vector<SlurmPoolRow> pools();  // oldest first
  std::optional<SlurmPoolRow> find_pool(const std::string& name);
  // A resumed pool starts with no failures behind it.
  void set_state(std::int64_t pool, PoolState state, const std::string& reason);
  void set_failures(std::int64_t pool, std::int64_t failures);
  void set_slots(std::int64_t pool, const std::string& slots);
  void erase_pool(std::int64_t pool);  // with its jobs

  // Adds the intent; of those that have ended, the pool keeps the newest few.
  std::int64_t add_job(const SlurmJobRow& job);
  std::vector<SlurmJobRow> jobs(std::int64_t pool);  // oldest first
  std::optional<SlurmJobRow> find_token(const std::string& token);
  // Whether that worker came for a job of a pool.
  bool is_of_a_job(std::int64_t worker);
  // Mirrors state, job_id, worker, reason and ended_ms.
  void save(const SlurmJobRow& job);

 private:
  std::vector<SlurmPoolRow> select_pools(const std::string& tail, const SqlValues& values);
  std::vector<SlurmJobRow> select_jobs(const std::string& tail, const SqlValues& values);
  Connection& connection_;
};

}  // namespace sarsweep::coordinator
