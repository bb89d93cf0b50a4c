#include "coordinator/store/slurm_store.h"

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::int64_t kKeptJobs = 20;
// What only this program writes, under a CHECK of the same spellings.
template <typename T>
T known(const std::optional<T>& state, const std::string& text) {
  if (!state) throw Error(ErrorCode::internal, "the database has a Slurm state '" + text + "'");
  return *state;
}

PoolState pool_state(const std::string& text) { return known(parse_pool_state(text), text); }
SlurmJobState job_state(const std::string& text) {
  return known(parse_slurm_job_state(text), text);
}

}  // namespace

std::int64_t SlurmStore::add_pool(const SlurmPoolRow& pool) {
  if (find_pool(pool.name)) {
    throw Error(ErrorCode::conflict,
                "there is a pool '" + pool.name + "' already; choose another --name, or remove it",
                "name");
  }
  connection_.change(
      "INSERT INTO slurm_pool (name, request, state, created_ms) VALUES (?1, ?2, ?3, ?4)",
      {pool.name, pool.request, std::string(to_string(pool.state)), pool.created_ms});
  return connection_.last_id();
}

std::vector<SlurmPoolRow> SlurmStore::select_pools(const std::string& tail,
                                                   const SqlValues& values) {
  std::vector<SlurmPoolRow> rows;
  connection_.each(
      "SELECT id, name, request, state, reason, failures, slots, created_ms FROM slurm_pool " +
          tail,
      values, [&](const Row& row) {
        rows.push_back({row.integer(0), row.text(1), row.text(2), pool_state(row.text(3)),
                        row.text(4), row.integer(5), row.maybe_text(6), row.integer(7)});
      });
  return rows;
}

std::vector<SlurmPoolRow> SlurmStore::pools() { return select_pools("ORDER BY id", {}); }

std::optional<SlurmPoolRow> SlurmStore::find_pool(const std::string& name) {
  std::vector<SlurmPoolRow> rows = select_pools("WHERE name = ?1", {name});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

void SlurmStore::set_state(std::int64_t pool, PoolState state, const std::string& reason) {
  connection_.change(
      "UPDATE slurm_pool SET state = ?2, reason = ?3,"
      " failures = CASE ?2 WHEN 'active' THEN 0 ELSE failures END WHERE id = ?1",
      {pool, std::string(to_string(state)), reason});
}

void SlurmStore::set_failures(std::int64_t pool, std::int64_t failures) {
  connection_.change("UPDATE slurm_pool SET failures = ?2 WHERE id = ?1", {pool, failures});
}

void SlurmStore::set_slots(std::int64_t pool, const std::string& slots) {
  connection_.change("UPDATE slurm_pool SET slots = ?2 WHERE id = ?1", {pool, slots});
}

void SlurmStore::erase_pool(std::int64_t pool) {
  connection_.change("DELETE FROM slurm_job WHERE pool = ?1", {pool});
  connection_.change("DELETE FROM slurm_pool WHERE id = ?1", {pool});
}

std::int64_t SlurmStore::add_job(const SlurmJobRow& job) {
  connection_.change(
      "DELETE FROM slurm_job WHERE pool = ?1 AND state IN ('lost', 'ended') AND id NOT IN"
      " (SELECT id FROM slurm_job WHERE pool = ?1 AND state IN ('lost', 'ended')"
      "   ORDER BY id DESC LIMIT ?2)",
      {job.pool, kKeptJobs});
  connection_.change(
      "INSERT INTO slurm_job (pool, token, worker_name, state, created_ms)"
      " VALUES (?1, ?2, ?3, 'submitting', ?4)",
      {job.pool, job.token, job.worker_name, job.created_ms});
  return connection_.last_id();
}

bool SlurmStore::is_of_a_job(std::int64_t worker) {
  return connection_.integer("SELECT 1 FROM slurm_job WHERE worker = ?1", {worker}).has_value();
}

std::vector<SlurmJobRow> SlurmStore::select_jobs(const std::string& tail, const SqlValues& values) {
  std::vector<SlurmJobRow> rows;
  connection_.each(
      "SELECT id, pool, token, worker_name, state, job_id, worker, reason, created_ms, ended_ms"
      " FROM slurm_job " +
          tail,
      values, [&](const Row& row) {
        rows.push_back({row.integer(0), row.integer(1), row.text(2), row.text(3),
                        job_state(row.text(4)), row.maybe_text(5).value_or(""),
                        row.maybe_integer(6), row.text(7), row.integer(8), row.maybe_integer(9)});
      });
  return rows;
}

std::vector<SlurmJobRow> SlurmStore::jobs(std::int64_t pool) {
  return select_jobs("WHERE pool = ?1 ORDER BY id", {pool});
}

std::optional<SlurmJobRow> SlurmStore::find_token(const std::string& token) {
  std::vector<SlurmJobRow> rows = select_jobs("WHERE token = ?1", {token});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

void SlurmStore::save(const SlurmJobRow& job) {
  const SqlValue job_id = job.job_id.empty() ? SqlValue(nullptr) : SqlValue(job.job_id);
  connection_.change(
      "UPDATE slurm_job SET state = ?2, job_id = ?3, worker = ?4, reason = ?5, ended_ms = ?6"
      " WHERE id = ?1",
      {job.id, std::string(to_string(job.state)), job_id, sql(job.worker), job.reason,
       sql(job.ended_ms)});
}

}  // namespace sarsweep::coordinator
