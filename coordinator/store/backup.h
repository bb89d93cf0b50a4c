#pragma once

#include <cstdint>
#include <filesystem>

namespace sarsweep::coordinator {

// What a copy of the database holds.
struct BackupSummary {
  std::filesystem::path file;
  std::int64_t bytes = 0, schema = 0, sweeps = 0, runs = 0, points = 0;
};

// Copies `database`, as it stands at one commit, to the new file `to`: one file, checked page by
// page before it gets its name, and on disk when this returns. Writers go on meanwhile. Throws
// Error(conflict) where `to` exists, Error(internal) if the copy cannot be made or is not whole;
// then nothing is left behind.
BackupSummary back_up(const std::filesystem::path& database, const std::filesystem::path& to);

// Throws Error(invalid) unless `file` is a whole database of sarsweep that this program can read.
BackupSummary inspect_backup(const std::filesystem::path& file);

// Removes a database with what SQLite keeps beside it: what is left there would be taken for a part
// of a later one of the same name.
void remove_database(const std::filesystem::path& file);

// Puts the prepared database `file` in place of `database`. What stood there is copied into the
// folder `aside` first. A crash leaves either the old or the new database.
void replace_database(const std::filesystem::path& database, const std::filesystem::path& file,
                      const std::filesystem::path& aside);

}  // namespace sarsweep::coordinator
