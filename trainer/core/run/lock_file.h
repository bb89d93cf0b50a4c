#pragma once

#include <filesystem>
#include <functional>

namespace sarsweep::trainer {

// The exclusive lock (flock) of a file, held until destruction; a killed holder releases it.
class LockFile {
 public:
  // Waits for the lock and asks `check` (which may throw) several times a second meanwhile. Creates
  // the file and its folder. Throws Error(internal) where that is impossible.
  LockFile(const std::filesystem::path& file, const std::function<void()>& check);
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace sarsweep::trainer
