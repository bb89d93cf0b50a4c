#pragma once

#include "trainer/torch/jobs/job_basis.h"

namespace sarsweep::trainer {

// Job clip on `basis`: trains, judges itself, and writes the model to RUN_DIR/export/clip, a folder
// that transformers loads. Throws as run_job does.
JobOutcome run_clip_job(JobBasis& basis);

}  // namespace sarsweep::trainer
