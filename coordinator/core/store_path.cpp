#include "coordinator/core/store_path.h"

#include <system_error>

namespace sarsweep::coordinator {

namespace fs = std::filesystem;

bool is_link(const fs::path& file) {
  std::error_code ignored;
  return fs::is_symlink(file, ignored);
}

bool leads_through_link(const fs::path& store, const fs::path& path) {
  for (fs::path part = path; part != store; part = part.parent_path()) {
    if (is_link(part)) return true;
  }
  return false;
}

}  // namespace sarsweep::coordinator
