#include "trainer/torch/files/whole_folder.h"

#include <fmt/format.h>

#include <string>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

// Removed with all it holds unless it was renamed before.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const fs::path& target)
      : path_(target.string() + ".tmp-" + random_hex(4)) {
    fs::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

void write_whole_folder(const fs::path& folder,
                        const std::function<void(const fs::path&)>& write) try {
  // "a/b/" names the folder a/b.
  const fs::path target = folder.has_filename() ? folder : folder.parent_path();
  if (fs::exists(target) && !fs::is_empty(target)) {
    throw Error(ErrorCode::conflict, fmt::format("{} exists and is not empty", target.string()));
  }
  const TemporaryFolder temporary(target);
  write(temporary.path());
  sync_path(temporary.path());
  fs::rename(temporary.path(), target);  // Replaces an empty folder.
  sync_path(fs::absolute(target).parent_path());
} catch (const fs::filesystem_error& error) {
  throw Error(ErrorCode::internal,
              fmt::format("cannot write {}: {}", folder.string(), error.what()));
}

}  // namespace sarsweep::trainer
