#pragma once

#include <cstdint>
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

// The checkpoints that the attempts said they sealed; their bytes lie in the attempts' folders. A
// repeated event replaces its row.
class CheckpointStore {
 public:
  explicit CheckpointStore(Connection& connection) : connection_(connection) {}

  void put(const CheckpointRow& row);
  // Newest step first; attempts before the run's checkpoint_floor are forgotten.
  std::vector<CheckpointRow> of_run(std::int64_t run);

 private:
  Connection& connection_;
};

}  // namespace sarsweep::coordinator
