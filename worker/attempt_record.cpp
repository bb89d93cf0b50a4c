#include "worker/attempt_record.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::worker {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

json document(const AttemptRecord& record) {
  json j = {{"key", record.key},
            {"name", record.name},
            {"slots", record.slots},
            {"run_dir", record.run_dir.string()},
            {"marker", record.marker}};
  if (record.walltime) j["walltime_s"] = record.walltime->count();
  if (record.process) {
    j["process"] = {{"pid", record.process->pid},
                    {"sid", record.process->pid},
                    {"starttime", record.process->starttime},
                    {"boot_id", record.process->boot_id}};
  }
  return j;
}

AttemptRecord parse(const fs::path& file) {
  const json j = parse_json(read_file(file), file.string());
  try {
    AttemptRecord record;
    record.key = j.at("key").get<LeaseKey>();
    record.name = j.at("name");
    record.slots = j.at("slots").get<std::vector<int>>();
    record.run_dir = j.at("run_dir").get<std::string>();
    record.marker = j.at("marker");
    if (j.contains("walltime_s"))
      record.walltime = std::chrono::seconds(j["walltime_s"].get<int>());
    if (j.contains("process")) {
      const json& process = j["process"];
      record.process =
          ProcessIdentity{process.at("pid"), process.at("starttime"), process.at("boot_id")};
    }
    return record;
  } catch (const json::exception& error) {
    throw Error(ErrorCode::invalid, file.string() + ": " + error.what());
  }
}

}  // namespace

AttemptFolder::AttemptFolder(fs::path folder) : folder_(std::move(folder)) {
  std::error_code failure;
  fs::create_directories(folder_, failure);
  if (failure) {
    throw Error(code_of_errno(failure.value()),
                "cannot create " + folder_.string() + ": " + failure.message());
  }
}

void AttemptFolder::save(const AttemptRecord& record) const {
  write_file_atomically(file_of(record), document(record).dump(2) + "\n", FileMode::secret);
}

void AttemptFolder::remove(const AttemptRecord& record) const {
  std::error_code ignored;  // Already gone is as good.
  fs::remove(file_of(record), ignored);
}

std::vector<AttemptRecord> AttemptFolder::load() const {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<AttemptRecord> records;
  for (const fs::path& file : files) {
    try {
      records.push_back(parse(file));
    } catch (const Error& error) {
      spdlog::error("setting a broken attempt record aside: {}", error.what());
      std::error_code ignored;
      fs::rename(file, file.string() + ".broken", ignored);
    }
  }
  return records;
}

fs::path AttemptFolder::file_of(const AttemptRecord& record) const {
  return folder_ / fmt::format("{}-e{}.json", record.key.run_id, record.key.lease_epoch);
}

}  // namespace sarsweep::worker
