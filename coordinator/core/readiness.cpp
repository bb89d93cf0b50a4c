#include "coordinator/core/readiness.h"

#include <fmt/format.h>

#include <filesystem>

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

std::int64_t free_in(const fs::path& folder) {
  std::error_code failed;
  const fs::space_info space = fs::space(folder, failed);
  return failed ? -1 : static_cast<std::int64_t>(space.available);
}

std::int64_t size_of(const fs::path& file) {
  std::error_code failed;
  const auto size = fs::file_size(file, failed);
  return failed ? 0 : static_cast<std::int64_t>(size);
}

void check_space(const char* what, std::int64_t bytes, std::vector<std::string>& reasons) {
  if (bytes < 0) reasons.push_back(fmt::format("the {} folder cannot be reached", what));
  if (bytes >= 0 && bytes < kNoSpace) {
    reasons.push_back(fmt::format("{} MB free in the {} folder", bytes / 1'000'000, what));
  }
}

}  // namespace

Ground look_at_ground(const Core& core) {
  const fs::path database = core.options.home / "sarsweep.db";
  return {free_in(core.options.home), free_in(core.options.store),
          size_of(database) + size_of(database.string() + "-wal")};
}

std::vector<std::string> why_not_ready(const Ground& ground) {
  std::vector<std::string> reasons;
  check_space("home", ground.home_bytes, reasons);
  check_space("store", ground.store_bytes, reasons);
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
