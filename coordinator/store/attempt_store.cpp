#include "coordinator/store/attempt_store.h"

namespace sarsweep::coordinator {
namespace {

constexpr const char* kSelect = R"sql(
  SELECT a.run, a.epoch, a.worker, w.name, a.incarnation, a.slots, a.resume_step, a.granted_ms,
         a.started_ms, a.finished_ms, a."end", a.exit_code, a.reason, a.end_exit_code, a.event_bytes,
         a.log_bytes, a.end_micro_batch
    FROM attempt a JOIN worker w ON w.id = a.worker
)sql";

AttemptRow read_attempt(const Row& row) {
  AttemptRow attempt;
  attempt.run = row.integer(0);
  attempt.epoch = row.integer(1);
  attempt.worker = row.integer(2);
  attempt.worker_name = row.text(3);
  attempt.incarnation = row.text(4);
  attempt.slots = row.text(5);
  attempt.resume_step = row.integer(6);
  attempt.granted_ms = row.integer(7);
  attempt.started_ms = row.maybe_integer(8);
  attempt.finished_ms = row.maybe_integer(9);
  if (!row.null(10)) attempt.end = parse_attempt_end(row.text(10));
  attempt.exit_code = row.maybe_integer(11);
  attempt.reason = row.text(12);
  attempt.end_exit_code = row.maybe_integer(13);
  attempt.event_bytes = row.integer(14);
  attempt.log_bytes = row.integer(15);
  attempt.end_micro_batch = row.maybe_integer(16);
  return attempt;
}

}  // namespace

void AttemptStore::insert(const AttemptRow& row) {
  connection_.change(
      "INSERT INTO attempt (run, epoch, worker, incarnation, slots, resume_step, granted_ms)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      {row.run, row.epoch, row.worker, row.incarnation, row.slots, row.resume_step,
       row.granted_ms});
}

std::vector<AttemptRow> AttemptStore::select(const std::string& tail, const SqlValues& values) {
  std::vector<AttemptRow> rows;
  connection_.each(kSelect + tail, values,
                   [&](const Row& row) { rows.push_back(read_attempt(row)); });
  return rows;
}

std::optional<AttemptRow> AttemptStore::find(std::int64_t run, std::int64_t epoch) {
  std::vector<AttemptRow> rows = select("WHERE a.run = ?1 AND a.epoch = ?2", {run, epoch});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

std::vector<AttemptRow> AttemptStore::of_run(std::int64_t run) {
  return select("WHERE a.run = ?1 ORDER BY a.epoch", {run});
}

std::vector<AttemptRow> AttemptStore::open() {
  return select("WHERE a.\"end\" IS NULL ORDER BY a.run", {});
}

std::vector<AttemptRow> AttemptStore::open_of(std::int64_t worker, const std::string& incarnation) {
  return select("WHERE a.\"end\" IS NULL AND a.worker = ?1 AND a.incarnation = ?2 ORDER BY a.run",
                {worker, incarnation});
}

void AttemptStore::mark_started(std::int64_t run, std::int64_t epoch, std::int64_t now_ms) {
  connection_.change(
      "UPDATE attempt SET started_ms = COALESCE(started_ms, ?3) WHERE run = ?1 AND epoch = ?2",
      {run, epoch, now_ms});
}

void AttemptStore::close(const AttemptRow& attempt, const AttemptClose& close) {
  connection_.change(
      "UPDATE attempt SET \"end\" = ?3, reason = ?4, finished_ms = ?5"
      " WHERE run = ?1 AND epoch = ?2 AND \"end\" IS NULL",
      {attempt.run, attempt.epoch, std::string(to_string(close.end)), close.reason, close.now_ms});
}

void AttemptStore::reopen(const AttemptRow& attempt) {
  connection_.change(
      "UPDATE attempt SET \"end\" = NULL, reason = '', finished_ms = NULL"
      " WHERE run = ?1 AND epoch = ?2 AND \"end\" = 'lost'",
      {attempt.run, attempt.epoch});
}

void AttemptStore::record_exit(const AttemptRow& attempt, int exit_code, int signal) {
  connection_.change("UPDATE attempt SET exit_code = ?3, signal = ?4 WHERE run = ?1 AND epoch = ?2",
                     {attempt.run, attempt.epoch, static_cast<std::int64_t>(exit_code),
                      static_cast<std::int64_t>(signal)});
}

void AttemptStore::record_end_event(const AttemptRow& attempt, int exit_code,
                                    std::optional<std::int64_t> micro_batch) {
  connection_.change(
      "UPDATE attempt SET end_exit_code = ?3, end_micro_batch = ?4 WHERE run = ?1 AND epoch = ?2",
      {attempt.run, attempt.epoch, static_cast<std::int64_t>(exit_code), sql(micro_batch)});
}

void AttemptStore::set_event_bytes(const AttemptRow& attempt, std::int64_t bytes) {
  connection_.change("UPDATE attempt SET event_bytes = ?3 WHERE run = ?1 AND epoch = ?2",
                     {attempt.run, attempt.epoch, bytes});
}

void AttemptStore::set_log_bytes(const AttemptRow& attempt, std::int64_t bytes) {
  connection_.change("UPDATE attempt SET log_bytes = ?3 WHERE run = ?1 AND epoch = ?2",
                     {attempt.run, attempt.epoch, bytes});
}

}  // namespace sarsweep::coordinator
