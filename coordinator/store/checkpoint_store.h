#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

struct CheckpointRow {
  std::int64_t run = 0, epoch = 0, step = 0;
  std::string path;  // relative to the attempt's folder
  std::string manifest_sha256;
  std::int64_t bytes = 0;
};

// A checkpoint whose files are to be removed, and the run (by its id outside) whose folder they are
// in.
struct DoomedCheckpoint {
  CheckpointRow row;
  std::string run_uid;
};

// The checkpoints that the attempts said they sealed; their bytes lie in the attempts' folders. A
// repeated event replaces its row. Removal takes two steps, so that it can be cut short anywhere: a
// checkpoint is doomed, from when on nobody is offered it, then its files go, then its row.
class CheckpointStore {
 public:
  explicit CheckpointStore(Connection& connection) : connection_(connection) {}

  void put(const CheckpointRow& row);
  // Those that can be started from, newest step first; attempts before the run's checkpoint_floor
  // are forgotten.
  std::vector<CheckpointRow> of_run(std::int64_t run);
  // Those before the floor, which a start from scratch left behind.
  std::vector<CheckpointRow> forgotten(std::int64_t run);

  void doom(const CheckpointRow& row);
  std::vector<DoomedCheckpoint> doomed();
  void erase(const CheckpointRow& row);

  // Notes that `child` starts from `row`; of several notes the first holds.
  void pin(std::int64_t child, const CheckpointRow& row);
  std::optional<CheckpointRow> pinned_by(std::int64_t child);
  bool is_pinned(const CheckpointRow& row);

 private:
  std::vector<CheckpointRow> select(const std::string& rest, const SqlValues& values);

  Connection& connection_;
};

}  // namespace sarsweep::coordinator
