#pragma once

#include "trainer/core/data/dataset.h"
#include "trainer/torch/clip/clip_model.h"
#include "trainer/torch/jobs/run_context.h"

namespace sarsweep::trainer {

// How a CLIP model ranks the captions of the evaluation items' own pictures, by run.json's
// protocol: the metrics of a judge (docs/evaluation.md) with the real pictures in the place of
// generated ones, and nothing else. Written and told as evaluate_model does; the hash says that
// nothing was generated, so that such results are ranked among themselves. Does nothing without a
// protocol. Throws Error(busy) if asked to stop; then nothing of the result exists.
void evaluate_clip(RunContext& run, const ClipModel& model, const DataOptions& options, long step);

// What evaluate_clip will need of the data, before the run trains. Throws Error(invalid).
void require_clip_evaluable(const RunContext& run, const DataOptions& options,
                            const Stretch& stretch);

}  // namespace sarsweep::trainer
