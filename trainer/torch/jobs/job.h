#pragma once

#include <string>

#include "schema/protocol/run_dir.h"
#include "trainer/torch/jobs/run_context.h"
#include "trainer/torch/jobs/update_record.h"

namespace sarsweep::trainer {

// How a job came to its end.
struct JobOutcome {
  run_dir::ExitCode code = run_dir::ExitCode::done;
  std::string reason;
};

// Trains, samples, judges and exports as run.json says. Throws Error (busy: stopped by a signal)
// and what LibTorch throws. `record`: update_record.h; a run that cannot be recorded is refused.
JobOutcome run_job(RunContext& run, const RecordOrder& record);

}  // namespace sarsweep::trainer
