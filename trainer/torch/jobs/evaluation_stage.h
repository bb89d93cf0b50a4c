#pragma once

#include <string>

#include "trainer/core/data/dataset.h"
#include "trainer/torch/jobs/run_context.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// What is judged.
struct EvaluationRequest {
  long step = 0;
  std::string split;            // empty: the protocol's
  std::string prefix = "eval";  // of the metrics: "eval/kl_pooled"
  // The pictures are the real ones through the VAE instead of generated ones (job vae). Enters the
  // hash, so that such results are never ranked with generated ones.
  bool reconstruct = false;
};

// Generates a picture per evaluation item by run.json's protocol, judges them, and writes
// <prefix>/step-…/result.json, a `metrics` event and an `eval` event. Does nothing without a
// protocol. Throws Error(busy) if asked to stop; then nothing of the result exists.
void evaluate_model(RunContext& run, const Pipeline& pipeline, const DataOptions& options,
                    const EvaluationRequest& request);

// Throws Error(invalid) where the model cannot be sampled as run.json's protocol says: better
// before the first update than after the last.
void check_evaluation(const RunContext& run, const Pipeline& pipeline, const DataOptions& options);

// The prompts of the first `count` distinct captions of the evaluation items of `data`.
std::vector<std::string> default_prompts(const Dataset& data, int per_label, std::size_t count);

}  // namespace sarsweep::trainer
