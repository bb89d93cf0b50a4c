#pragma once

#include "trainer/torch/jobs/run_context.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// Writes what a user takes away to RUN_DIR/export: the adapters as export.lora says, the rows
// of learned tokens (embeddings.safetensors: clip_l, clip_g), the whole pipeline as export.pipeline
// says: a folder "pipeline" (adapters and tokens merged) or "model.safetensors" (adapters merged).
// The last stage: merging changes `pipeline`.
void export_model(RunContext& run, Pipeline& pipeline);

}  // namespace sarsweep::trainer
