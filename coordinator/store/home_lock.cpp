#include "coordinator/store/home_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "schema/base/error.h"
#include "schema/base/private_folder.h"

namespace sarsweep::coordinator {

bool is_network_filesystem(long magic) {
  static constexpr std::array<unsigned long, 10> kNetwork = {
      0x6969,      // NFS
      0x517B,      // SMB
      0xFF534D42,  // CIFS
      0xFE534D42,  // SMB2
      0x0BD00BD0,  // Lustre
      0x65735546,  // FUSE
      0x47504653,  // GPFS
      0x19830326,  // BeeGFS
      0x00C36400,  // Ceph
      0x5346414F   // AFS
  };
  const auto wanted = static_cast<unsigned long>(magic) & 0xFFFFFFFFUL;
  return std::find(kNetwork.begin(), kNetwork.end(), wanted) != kNetwork.end();
}

HomeLock::HomeLock(const std::filesystem::path& home) {
  struct statfs info {};
  try {
    make_private_folder(home);
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid,
                fmt::format("the home folder cannot be used: {}", error.what()));
  }
  if (statfs(home.c_str(), &info) != 0) {
    throw Error(ErrorCode::invalid,
                fmt::format("home folder {} cannot be used: statfs failed", home.string()));
  }
  if (is_network_filesystem(static_cast<long>(info.f_type))) {
    throw Error(ErrorCode::invalid,
                fmt::format("home folder {} lies on a network filesystem (type {:#x}), where the "
                            "database can be corrupted; choose a local folder with --home",
                            home.string(), static_cast<unsigned long>(info.f_type)));
  }
  const std::filesystem::path file = home / "lock";
  descriptor_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor_ < 0) {
    throw Error(ErrorCode::invalid, fmt::format("{} cannot be opened: {}", file.string(),
                                                std::generic_category().message(errno)));
  }
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    close(descriptor_);
    throw Error(ErrorCode::conflict,
                fmt::format("another coordinator uses {}; stop it or choose another --home",
                            home.string()));
  }
}

HomeLock::~HomeLock() { close(descriptor_); }

}  // namespace sarsweep::coordinator
