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

// Reads what evaluate_model will need of the data, so that a bad picture or a missing split ends a
// run before it trains. `stretch`: of the run. Throws Error(invalid).
void require_evaluable(const RunContext& run, const DataOptions& options, const Stretch& stretch);
// Throws Error(invalid) where the model cannot be sampled as run.json's protocol says: better
// before the first update than after the last.
void check_evaluation(const RunContext& run, const Pipeline& pipeline, const DataOptions& options);

// `count` captions of the evaluation items of `data`: the first distinct one of every label, in
// order of label, then the second, and so on.
std::vector<std::string> default_prompts(const Dataset& data, int per_label, std::size_t count);

}  // namespace sarsweep::trainer
