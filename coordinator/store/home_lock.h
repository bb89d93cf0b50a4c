#pragma once

#include <filesystem>

namespace sarsweep::coordinator {

// Holds <home>/lock (flock) for as long as it lives, so that one home has one coordinator. Creates
// the folder. Throws Error(conflict) if another process holds it, Error(invalid) if the folder lies
// on a network filesystem, where SQLite's write-ahead log can be corrupted.
class HomeLock {
 public:
  explicit HomeLock(const std::filesystem::path& home);
  ~HomeLock();
  HomeLock(const HomeLock&) = delete;
  HomeLock& operator=(const HomeLock&) = delete;

 private:
  int descriptor_ = -1;
};

// True for the statfs magic numbers of NFS, SMB, CIFS, Lustre, FUSE, GPFS, BeeGFS, Ceph and AFS.
bool is_network_filesystem(long magic);

}  // namespace sarsweep::coordinator
