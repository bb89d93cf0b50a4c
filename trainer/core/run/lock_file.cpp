#include "trainer/core/run/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "schema/base/error.h"

namespace sarsweep::trainer {

LockFile::LockFile(const std::filesystem::path& file, const std::function<void()>& check) {
  constexpr std::chrono::milliseconds kTick{100};
  std::error_code error;
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), error);
  fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) {
    throw Error(ErrorCode::internal, "cannot open " + file.string() + ": " + std::strerror(errno));
  }
  try {
    while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) {
        throw Error(ErrorCode::internal,
                    "cannot lock " + file.string() + ": " + std::strerror(errno));
      }
      check();
      std::this_thread::sleep_for(kTick);
    }
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

LockFile::~LockFile() { ::close(fd_); }

}  // namespace sarsweep::trainer
