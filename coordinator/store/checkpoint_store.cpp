#include "coordinator/store/checkpoint_store.h"

namespace sarsweep::coordinator {

void CheckpointStore::put(const CheckpointRow& row) {
  connection_.change(
      "INSERT OR REPLACE INTO checkpoint (run, epoch, step, path, manifest_sha256, bytes)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
      {row.run, row.epoch, row.step, row.path, row.manifest_sha256, row.bytes});
}

std::vector<CheckpointRow> CheckpointStore::of_run(std::int64_t run) {
  std::vector<CheckpointRow> rows;
  connection_.each(
      "SELECT c.run, c.epoch, c.step, c.path, c.manifest_sha256, c.bytes FROM checkpoint c"
      " JOIN run r ON r.id = c.run WHERE c.run = ?1 AND c.epoch >= r.checkpoint_floor"
      " ORDER BY c.step DESC, c.epoch DESC",
      {run}, [&](const Row& row) {
        rows.push_back({row.integer(0), row.integer(1), row.integer(2), row.text(3), row.text(4),
                        row.integer(5)});
      });
  return rows;
}

}  // namespace sarsweep::coordinator
