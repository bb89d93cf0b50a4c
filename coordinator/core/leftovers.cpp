#include "coordinator/core/leftovers.h"

#include <set>
#include <string>
#include <system_error>

#include "coordinator/core/store_path.h"
#include "coordinator/store/attempt_store.h"
#include "coordinator/store/checkpoint_store.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

std::int64_t bytes_below(const fs::path& folder) {
  std::int64_t bytes = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    std::error_code gone;
    const auto size = at->is_symlink(gone) ? 0 : fs::file_size(at->path(), gone);
    if (!gone) bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

std::set<std::string> recorded(Connection& connection, std::int64_t run, std::int64_t epoch) {
  std::set<std::string> paths;
  connection.each("SELECT path FROM checkpoint WHERE run = ?1 AND epoch = ?2", {run, epoch},
                  [&](const Row& row) { paths.insert(row.text(0)); });
  return paths;
}

bool is_over_for_good(const RunRow& run, const AttemptRow& attempt) {
  return attempt.end && (attempt.exit_code || attempt.epoch < run.lease_epoch);
}

}  // namespace

std::vector<Leftover> leftovers_of(const Core& core, Connection& connection, const RunRow& run) {
  std::vector<Leftover> found;
  for (const AttemptRow& attempt : AttemptStore(connection).of_run(run.id)) {
    if (!is_over_for_good(run, attempt)) continue;
    const fs::path folder =
        run_dir::attempt_dir(core.options.store, run.uid, attempt.epoch) / run_dir::kCheckpoints;
    const std::set<std::string> known = recorded(connection, run.id, attempt.epoch);
    std::error_code failed;
    if (leads_through_link(core.options.store, folder)) continue;
    for (fs::directory_iterator at(folder, failed), end; !failed && at != end;
         at.increment(failed)) {
      const std::string name = at->path().filename().string();
      const std::string path = (fs::path(run_dir::kCheckpoints) / name).string();
      if (!known.contains(path)) found.push_back({at->path(), bytes_below(at->path())});
    }
  }
  return found;
}

}  // namespace sarsweep::coordinator
