#include "coordinator/store/reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

// Some thousand changes of state, each a few pages, and no noticeable part of a small disk.
constexpr std::uintmax_t kMostBytes = 16U << 20U;
constexpr std::uintmax_t kSmallestShare = 50;  // of the disk: 2 %
constexpr std::uintmax_t kRoomToSpare = 4;     // times what it takes must be free

std::uintmax_t size_on(const fs::space_info& disk) {
  return std::min(kMostBytes, disk.capacity / kSmallestShare);
}

}  // namespace

void Reserve::fill() {
  const std::lock_guard lock(mutex_);
  std::error_code failed;
  if (fs::exists(file_, failed)) return;
  const fs::space_info disk = fs::space(file_.parent_path(), failed);
  if (failed || disk.available < kRoomToSpare * size_on(disk)) return;
  const int made = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) return;
  const bool whole = ::posix_fallocate(made, 0, static_cast<off_t>(size_on(disk))) == 0;
  ::close(made);
  if (!whole) fs::remove(file_, failed);
}

bool Reserve::release() {
  const std::lock_guard lock(mutex_);
  std::error_code failed;
  return fs::remove(file_, failed);
}

}  // namespace sarsweep::coordinator
