#pragma once

#include <filesystem>
#include <vector>

#include "trainer/torch/training/replay.h"
#include "trainer/torch/training/train_batch.h"

namespace sarsweep::trainer {

// What `train --record FILE --record-updates N` asks for; an empty file: nothing.
struct RecordOrder {
  std::filesystem::path file;
  long updates = 1;
};

// The inputs of a run's first updates, randomness included, as a file that `replay` reads
// (training/replay.h): what was really trained, for any other implementation to repeat. It ends
// with the run at the latest.
class UpdateRecord {
 public:
  UpdateRecord(RecordOrder order, const RecordedRun& run);

  // Whether update `index` is recorded: then add() wants all its passes, captions as ids.
  bool wants(long index) const { return index < order_.updates; }
  void add(const TrainBatch& pass) { passes_.push_back(pass); }
  // After each update; the last one wanted writes the file.
  void finish(long index) const;
  long updates() const { return order_.updates; }

 private:
  RecordOrder order_;
  RecordedRun run_;
  std::vector<TrainBatch> passes_;
};

}  // namespace sarsweep::trainer
