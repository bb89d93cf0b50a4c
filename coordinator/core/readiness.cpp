#include "coordinator/core/readiness.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMegabyte = 1'000'000;

Disk look_at(const fs::path& folder) {
  std::error_code failed;
  const fs::space_info space = fs::space(folder, failed);
  if (failed) return {};
  return {static_cast<std::int64_t>(space.available), static_cast<std::int64_t>(space.capacity)};
}

std::int64_t size_of(const fs::path& file) {
  std::error_code failed;
  const auto size = fs::file_size(file, failed);
  return failed ? 0 : static_cast<std::int64_t>(size);
}

void check_space(const char* what, const Disk& disk, std::vector<std::string>& reasons) {
  if (disk.free_bytes < 0) {
    reasons.push_back(fmt::format("the {} folder cannot be reached", what));
  } else if (disk.free_bytes < mark_of(Data::artifact, disk.bytes)) {
    reasons.push_back(
        fmt::format("{} MB free in the {} folder", disk.free_bytes / kMegabyte, what));
  }
}

}  // namespace

Ground look_at_ground(const Core& core) {
  const fs::path database = core.options.home / "sarsweep.db";
  return {look_at(core.options.home), look_at(core.options.store),
          size_of(database) + size_of(database.string() + "-wal")};
}

std::int64_t mark_of(Data data, std::int64_t bytes) {
  switch (data) {
    case Data::artifact: return std::min(bytes / 10, 1000 * kMegabyte);
    case Data::log: return std::min(bytes / 20, 500 * kMegabyte);
    case Data::metrics: return std::min(bytes / 50, 100 * kMegabyte);
  }
  return 0;
}

void require_room(const Core& core, Data data) {
  const fs::path& folder = data == Data::metrics ? core.options.home : core.options.store;
  const Disk disk = look_at(folder);
  const std::int64_t mark = mark_of(data, disk.bytes);
  if (disk.free_bytes < 0 || disk.free_bytes >= mark) return;  // What cannot be told is tried.
  throw Error(ErrorCode::no_space,
              fmt::format("{} has {:.1f} MB free, and the last {:.1f} MB are kept for what matters "
                          "more: free some space there, with sarsweep gc for one",
                          folder.string(), static_cast<double>(disk.free_bytes) / kMegabyte,
                          static_cast<double>(mark) / kMegabyte));
}

std::vector<std::string> why_not_ready(const Ground& ground) {
  std::vector<std::string> reasons;
  check_space("home", ground.home, reasons);
  check_space("store", ground.store, reasons);
  return reasons;
}

std::vector<std::string> why_not_ready(const Core& core) {
  std::vector<std::string> reasons = why_not_ready(look_at_ground(core));
  try {
    core.database.read([](Connection& c) { return c.integer("SELECT one FROM store_info"); });
  } catch (const Error&) {
    reasons.emplace_back("the database cannot be read");
  }
  return reasons;
}

}  // namespace sarsweep::coordinator
