#pragma once

#include <cstdint>
#include <filesystem>

#include "coordinator/core/coordinator_options.h"
#include "coordinator/store/backup.h"
#include "schema/base/clock.h"

namespace sarsweep::coordinator {

struct RestoreSummary {
  BackupSummary backup;
  std::int64_t requeued = 0;       // runs that a worker held when the backup was made
  std::int64_t missing_files = 0;  // samples and results that the store no longer has
  std::filesystem::path aside;     // where the database that stood there lies now
};

// Puts `backup` in place of the database of options.home, which no coordinator may be using.
// Trainers that still run are fenced: the restored store has a new incarnation, and grants go on
// behind the newest attempt folder of each run, so that none is ever used twice. Throws
// Error(conflict) while a coordinator runs, Error(invalid) for a backup that is not whole; the
// database is untouched then.
RestoreSummary restore_backup(const CoordinatorOptions& options,
                              const std::filesystem::path& backup, const Clock& clock);

}  // namespace sarsweep::coordinator
