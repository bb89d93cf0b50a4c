#include "coordinator/store/worker_store.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::int64_t kKeptReplies = 8;

WorkerRow read_worker(const Row& row) {
  WorkerRow worker;
  worker.id = row.integer(0);
  worker.uid = row.text(1);
  worker.name = row.text(2);
  worker.incarnation = row.text(3);
  worker.host = row.text(4);
  worker.threads = row.integer(5);
  worker.slots = row.text(6);
  worker.draining = row.integer(7) != 0;
  worker.departed = row.integer(8) != 0;
  worker.last_seen_ms = row.integer(9);
  worker.drain = parse_drain(row.text(10)).value();
  worker.drained_by = row.text(11);
  worker.drained_ms = row.maybe_integer(12);
  worker.resting = row.text(13);
  return worker;
}

}  // namespace

std::string WorkerStore::save(const WorkerRow& row) {
  connection_.change(
      R"sql(
    INSERT INTO worker (uid, name, incarnation, host, threads, slots, last_seen_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (name) DO UPDATE SET incarnation = ?3, host = ?4, threads = ?5, slots = ?6,
      last_seen_ms = ?7, draining = 0, departed = 0, resting = '[]')sql",
      {row.uid, row.name, row.incarnation, row.host, row.threads, row.slots, row.last_seen_ms});
  return connection_.text("SELECT uid FROM worker WHERE name = ?1", {row.name}).value();
}

std::vector<WorkerRow> WorkerStore::select(const std::string& tail, const SqlValues& values) {
  std::vector<WorkerRow> rows;
  connection_.each(
      "SELECT id, uid, name, incarnation, host, threads, slots, draining, departed, last_seen_ms,"
      " drain, drained_by, drained_ms, resting FROM worker " +
          tail,
      values, [&](const Row& row) { rows.push_back(read_worker(row)); });
  return rows;
}

std::optional<WorkerRow> WorkerStore::find_uid(const std::string& uid) {
  std::vector<WorkerRow> rows = select("WHERE uid = ?1", {uid});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

std::optional<WorkerRow> WorkerStore::find_name(const std::string& name) {
  std::vector<WorkerRow> rows = select("WHERE name = ?1", {name});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

std::vector<WorkerRow> WorkerStore::all() { return select("ORDER BY id", {}); }

void WorkerStore::set_draining(std::int64_t id, bool draining) {
  connection_.change("UPDATE worker SET draining = ?2 WHERE id = ?1 AND draining <> ?2",
                     {id, static_cast<std::int64_t>(draining)});
}

void WorkerStore::set_resting(const WorkerRow& worker, const std::string& resting) {
  if (worker.resting == resting) return;
  connection_.change("UPDATE worker SET resting = ?2 WHERE id = ?1", {worker.id, resting});
}

void WorkerStore::depart(std::int64_t id) {
  connection_.change("UPDATE worker SET departed = 1 WHERE id = ?1", {id});
}

void WorkerStore::set_drain(std::int64_t id, Drain drain, const std::string& by,
                            std::int64_t now_ms) {
  connection_.change("UPDATE worker SET drain = ?2, drained_by = ?3, drained_ms = ?4 WHERE id = ?1",
                     {id, std::string(to_string(drain)), by, now_ms});
}

std::optional<std::string> WorkerStore::find_reply(const WorkerRow& worker,
                                                   const std::string& nonce) {
  return connection_.text(
      "SELECT reply FROM grant_reply WHERE worker = ?1 AND incarnation = ?2 AND nonce = ?3",
      {worker.id, worker.incarnation, nonce});
}

void WorkerStore::save_reply(const WorkerRow& worker, const std::string& nonce,
                             const std::string& reply, std::int64_t now_ms) {
  connection_.change(
      "INSERT INTO grant_reply (worker, incarnation, nonce, reply, created_ms)"
      " VALUES (?1, ?2, ?3, ?4, ?5)",
      {worker.id, worker.incarnation, nonce, reply, now_ms});
  connection_.change(
      "DELETE FROM grant_reply WHERE worker = ?1 AND rowid NOT IN"
      " (SELECT rowid FROM grant_reply WHERE worker = ?1 ORDER BY rowid DESC LIMIT ?2)",
      {worker.id, kKeptReplies});
}

}  // namespace sarsweep::coordinator
