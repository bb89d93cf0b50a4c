#pragma once

#include "trainer/core/data/dataset.h"
#include "trainer/torch/jobs/run_context.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// Makes a picture for each prompt of `samples.prompts` (default: up to four captions of the
// evaluation items) and writes samples/step-…/00.png … (16 bit, stretched amplitude),
// metadata.jsonl and a `sample` event each. The folder appears whole. Throws Error(busy) if asked
// to stop.
void write_samples(RunContext& run, const Pipeline& pipeline, const DataOptions& options,
                   long step);

// Throws Error(invalid) where the model cannot be sampled as `samples` says: better before the
// first update than after the last.
void check_samples(const RunContext& run, const Pipeline& pipeline, const DataOptions& options);

}  // namespace sarsweep::trainer
