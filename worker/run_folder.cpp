#include "worker/run_folder.h"

#include <algorithm>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::worker {
namespace {

bool is_plain(const std::string& id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

}  // namespace

std::filesystem::path run_dir_of(const std::filesystem::path& store, const LeaseKey& key) {
  if (!is_plain(key.run_id)) {
    throw Error(ErrorCode::invalid, "the run id '" + key.run_id + "' is no plain name", "run_id");
  }
  return run_dir::attempt_dir(std::filesystem::absolute(store), key.run_id, key.lease_epoch);
}

void prepare_run_dir(const std::filesystem::path& run_dir, nlohmann::json run_json,
                     const Placement& placement) {
  run_json["device"] = placement.devices.front();
  if (placement.devices.size() > 1) run_json["devices"] = placement.devices;
  run_json["threads"] = placement.threads;
  try {
    std::filesystem::remove_all(run_dir);
    std::filesystem::create_directories(run_dir);
  } catch (const std::filesystem::filesystem_error& error) {
    throw Error(code_of_errno(error.code().value()), error.what());
  }
  write_file_atomically(run_dir / run_dir::kRunJson, run_json.dump(2) + "\n");
}

}  // namespace sarsweep::worker
