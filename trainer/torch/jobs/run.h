#pragma once

#include <filesystem>

#include "schema/base/clock.h"
#include "trainer/core/run/stop_signals.h"
#include "trainer/dist/communicator.h"
#include "trainer/torch/jobs/update_record.h"

namespace sarsweep::trainer {

// The job of RUN_DIR/run.json from where it stands: caches, training, samples, evaluation, export.
// Every outcome becomes an `end` event (with an `error` event before it where something failed) and
// the exit code of schema/protocol/run_dir.h. Throws Error only where RUN_DIR itself cannot be read
// or written. `record` asks for a file beside it (update_record.h). `signals` must have been built
// before any thread. Every rank calls it; it ends with ranks.leave(). A rank that cannot go on
// takes the others with it, and rank 0 tells why.
int train_run(const std::filesystem::path& run_dir, StopSignals& signals, Communicator& ranks,
              const RecordOrder& record = {}, const Clock& clock = system_clock());

}  // namespace sarsweep::trainer
