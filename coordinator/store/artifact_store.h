#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

struct SampleRow {
  std::int64_t run = 0, epoch = 0, step = 0, position = 0;
  std::string file, prompt;
  std::int64_t seed = 0, bytes = 0;
  std::string sha256;
};

struct EvaluationRow {
  std::int64_t run = 0, epoch = 0, step = 0;
  std::string protocol_hash, file;
  std::int64_t bytes = 0;
  std::string sha256;
};

// What the attempts said they made: samples and results. The bytes lie in the artifact store; a
// repeated event replaces its row. Attempts before the run's checkpoint_floor are forgotten.
class ArtifactStore {
 public:
  explicit ArtifactStore(Connection& connection) : connection_(connection) {}

  void put(SampleRow row);  // the position is chosen here: the order of the events at one step
  void put(const EvaluationRow& row);

  std::vector<SampleRow> samples(std::int64_t run);          // newest step first
  std::vector<EvaluationRow> evaluations(std::int64_t run);  // newest first
  // Digests that the samples and results of one attempt name.
  std::vector<std::string> named(std::int64_t run, std::int64_t epoch);

 private:
  Connection& connection_;
};

}  // namespace sarsweep::coordinator
