#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "trainer/core/config/run_config.h"
#include "trainer/core/data/dataset.h"
#include "trainer/torch/files/checkpoint.h"
#include "trainer/torch/files/model_source.h"
#include "trainer/torch/jobs/update_record.h"
#include "trainer/torch/training/update_rule.h"

namespace sarsweep::trainer {

// What a task of either job needs. The references outlive the task.
struct TaskInputs {
  const RunConfig& config;
  const Dataset& data;
  ModelSource& model;
  std::string model_path;  // absolute; becomes the `base` of checkpoints
  std::uint64_t seed = 0;
  std::int64_t updates = 0, micro_batch = 1;
  UpdateRecord* record = nullptr;  // where one is wanted
};

// The model.json of a checkpoint of this run (checkpoint.h).
nlohmann::json model_document(const TaskInputs& inputs);

// Weights, optimizer and averages of `rule` into a checkpoint, and back.
void snapshot_rule(UpdateRule& rule, CheckpointContents& contents);
void restore_rule(UpdateRule& rule, const CheckpointContents& contents);

// Puts the averaged weights in the place of the live ones for its lifetime, where there are any:
// what is sampled, judged and exported.
class AveragedWeights {
 public:
  explicit AveragedWeights(const UpdateRule& rule);
  ~AveragedWeights();
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  NamedTensors live_, saved_;
};

}  // namespace sarsweep::trainer
