#pragma once

#include <signal.h>
#include <sys/resource.h>

#include <cstdint>

namespace sarsweep::testing {

// While it lives, the kernel lets no file of this process grow beyond `bytes`: a write is cut short
// there, and the next one fails.
class FileLimit {
 public:
  explicit FileLimit(std::uintmax_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
};

}  // namespace sarsweep::testing
