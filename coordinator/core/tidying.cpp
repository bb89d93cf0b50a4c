#include "coordinator/core/tidying.h"

#include <spdlog/spdlog.h>

#include <string>
#include <system_error>
#include <vector>

#include "coordinator/core/store_path.h"
#include "schema/base/log.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

bool names_a_checkpoint(const fs::path& path) {
  return path.parent_path() == run_dir::kCheckpoints &&
         path.filename().string().starts_with("step-");
}

// True where nothing is left of it.
bool remove_files(const Core& core, const DoomedCheckpoint& doomed) {
  const auto folder = removable_folder(core.options.store, doomed);
  if (!folder) {
    spdlog::error("run {}: '{}' is no checkpoint's folder; only its row is dropped", doomed.run_uid,
                  printable(doomed.row.path));
    return true;
  }
  std::error_code failed;
  fs::remove_all(*folder, failed);
  if (failed) {
    spdlog::warn("{} cannot be removed: {}; it is tried again", folder->string(), failed.message());
  }
  return !failed;
}

}  // namespace

std::optional<fs::path> removable_folder(const fs::path& store, const DoomedCheckpoint& doomed) {
  if (!names_a_checkpoint(doomed.row.path)) return std::nullopt;
  const fs::path attempt = run_dir::attempt_dir(store, doomed.run_uid, doomed.row.epoch);
  const fs::path folder = attempt / doomed.row.path;
  if (leads_through_link(store, folder)) return std::nullopt;
  return folder;
}

void tidy(Core& core) {
  const std::vector<DoomedCheckpoint> doomed =
      core.database.read([](Connection& c) { return CheckpointStore(c).doomed(); });
  for (const DoomedCheckpoint& one : doomed) {
    if (!remove_files(core, one)) continue;
    core.database.write(Urgency::bulk, [&](Connection& c) { CheckpointStore(c).erase(one.row); });
  }
}

}  // namespace sarsweep::coordinator
