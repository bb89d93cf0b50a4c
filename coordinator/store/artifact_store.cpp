#include "coordinator/store/artifact_store.h"

namespace sarsweep::coordinator {

void ArtifactStore::put(SampleRow row) {
  const std::optional<std::int64_t> known = connection_.integer(
      "SELECT position FROM sample WHERE run = ?1 AND epoch = ?2 AND step = ?3 AND file = ?4",
      {row.run, row.epoch, row.step, row.file});
  row.position = known ? *known
                       : connection_
                             .integer(
                                 "SELECT COUNT(*) FROM sample WHERE run = ?1 AND epoch = ?2"
                                 " AND step = ?3",
                                 {row.run, row.epoch, row.step})
                             .value_or(0);
  connection_.change(
      "INSERT OR REPLACE INTO sample (run, epoch, step, position, file, prompt, seed, bytes, "
      "sha256)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
      {row.run, row.epoch, row.step, row.position, row.file, row.prompt, row.seed, row.bytes,
       row.sha256});
}

void ArtifactStore::put(const EvaluationRow& row) {
  connection_.change(
      "INSERT OR REPLACE INTO evaluation (run, epoch, step, protocol_hash, file, bytes, sha256)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      {row.run, row.epoch, row.step, row.protocol_hash, row.file, row.bytes, row.sha256});
}

std::vector<SampleRow> ArtifactStore::samples(std::int64_t run) {
  std::vector<SampleRow> rows;
  connection_.each(
      "SELECT c.run, c.epoch, c.step, c.position, c.file, c.prompt, c.seed, c.bytes, c.sha256"
      " FROM sample c JOIN run r ON r.id = c.run"
      " WHERE c.run = ?1 AND c.epoch >= r.checkpoint_floor"
      " ORDER BY c.step DESC, c.epoch DESC, c.position",
      {run}, [&](const Row& row) {
        rows.push_back({row.integer(0), row.integer(1), row.integer(2), row.integer(3), row.text(4),
                        row.text(5), row.integer(6), row.integer(7), row.text(8)});
      });
  return rows;
}

std::vector<EvaluationRow> ArtifactStore::evaluations(std::int64_t run) {
  std::vector<EvaluationRow> rows;
  connection_.each(
      "SELECT c.run, c.epoch, c.step, c.protocol_hash, c.file, c.bytes, c.sha256"
      " FROM evaluation c JOIN run r ON r.id = c.run"
      " WHERE c.run = ?1 AND c.epoch >= r.checkpoint_floor ORDER BY c.step DESC, c.epoch DESC",
      {run}, [&](const Row& row) {
        rows.push_back({row.integer(0), row.integer(1), row.integer(2), row.text(3), row.text(4),
                        row.integer(5), row.text(6)});
      });
  return rows;
}

std::vector<std::string> ArtifactStore::named(std::int64_t run, std::int64_t epoch) {
  std::vector<std::string> digests;
  connection_.each(
      "SELECT sha256 FROM sample WHERE run = ?1 AND epoch = ?2"
      " UNION SELECT sha256 FROM evaluation WHERE run = ?1 AND epoch = ?2 ORDER BY 1",
      {run, epoch}, [&](const Row& row) { digests.push_back(row.text(0)); });
  return digests;
}

}  // namespace sarsweep::coordinator
