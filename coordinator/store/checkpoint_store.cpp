#include "coordinator/store/checkpoint_store.h"

namespace sarsweep::coordinator {
namespace {

CheckpointRow row_of(const Row& row) {
  return {row.integer(0), row.integer(1), row.integer(2), row.text(3), row.text(4), row.integer(5)};
}

}  // namespace

void CheckpointStore::put(const CheckpointRow& row) {
  connection_.change(
      "INSERT OR REPLACE INTO checkpoint (run, epoch, step, path, manifest_sha256, bytes)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
      {row.run, row.epoch, row.step, row.path, row.manifest_sha256, row.bytes});
}

std::vector<CheckpointRow> CheckpointStore::select(const std::string& rest,
                                                   const SqlValues& values) {
  std::vector<CheckpointRow> rows;
  connection_.each(
      "SELECT c.run, c.epoch, c.step, c.path, c.manifest_sha256, c.bytes"
      " FROM checkpoint c " +
          rest,
      values, [&](const Row& row) { rows.push_back(row_of(row)); });
  return rows;
}

std::vector<CheckpointRow> CheckpointStore::of_run(std::int64_t run) {
  return select(
      "JOIN run r ON r.id = c.run WHERE c.run = ?1 AND c.epoch >= r.checkpoint_floor"
      " AND c.doomed = 0 ORDER BY c.step DESC, c.epoch DESC",
      {run});
}

std::vector<CheckpointRow> CheckpointStore::forgotten(std::int64_t run) {
  return select(
      "JOIN run r ON r.id = c.run WHERE c.run = ?1 AND c.epoch < r.checkpoint_floor"
      " AND c.doomed = 0 ORDER BY c.step DESC, c.epoch DESC",
      {run});
}

void CheckpointStore::doom(const CheckpointRow& row) {
  connection_.change("UPDATE checkpoint SET doomed = 1 WHERE run = ?1 AND epoch = ?2 AND step = ?3",
                     {row.run, row.epoch, row.step});
}

std::vector<DoomedCheckpoint> CheckpointStore::doomed() {
  std::vector<DoomedCheckpoint> found;
  connection_.each(
      "SELECT c.run, c.epoch, c.step, c.path, c.manifest_sha256, c.bytes, r.uid"
      " FROM checkpoint c JOIN run r ON r.id = c.run WHERE c.doomed = 1"
      " ORDER BY c.run, c.epoch, c.step",
      {}, [&](const Row& row) {
        found.push_back({row_of(row), row.text(6)});
      });
  return found;
}

void CheckpointStore::erase(const CheckpointRow& row) {
  connection_.change(
      "DELETE FROM checkpoint WHERE run = ?1 AND epoch = ?2 AND step = ?3 AND doomed = 1",
      {row.run, row.epoch, row.step});
}

void CheckpointStore::pin(std::int64_t child, const CheckpointRow& row) {
  connection_.change(
      "INSERT OR IGNORE INTO checkpoint_pin (child, run, epoch, step) VALUES (?1, ?2, ?3, ?4)",
      {child, row.run, row.epoch, row.step});
}

std::optional<CheckpointRow> CheckpointStore::pinned_by(std::int64_t child) {
  const std::vector<CheckpointRow> rows = select(
      "JOIN checkpoint_pin p ON p.run = c.run AND p.epoch = c.epoch AND p.step = c.step"
      " WHERE p.child = ?1",
      {child});
  return rows.empty() ? std::nullopt : std::optional(rows.front());
}

bool CheckpointStore::is_pinned(const CheckpointRow& row) {
  return connection_
      .integer("SELECT 1 FROM checkpoint_pin WHERE run = ?1 AND epoch = ?2 AND step = ?3",
               {row.run, row.epoch, row.step})
      .has_value();
}

}  // namespace sarsweep::coordinator
