#include "coordinator/http/upload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

// A file that goes away unless it is kept.
class Incoming {
 public:
  explicit Incoming(fs::path file)
      : file_(std::move(file)),
        descriptor_(::open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) fail();
  }
  ~Incoming() {
    ::close(descriptor_);
    std::error_code ignored;
    if (!kept_) fs::remove(file_, ignored);
  }
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  void write(const char* data, std::size_t size) {
    while (size > 0) {
      const ssize_t written = ::write(descriptor_, data, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail();
      data += written;
      size -= static_cast<std::size_t>(written);
    }
  }
  const fs::path& keep() {
    kept_ = true;
    return file_;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(code_of_errno(errno), fmt::format("the store cannot take the upload: {} ({})",
                                                  std::strerror(errno), file_.string()));
  }

  const fs::path file_;
  const int descriptor_;
  bool kept_ = false;
};

}  // namespace

fs::path receive_file(const httplib::ContentReader& reader, const fs::path& folder,
                      std::int64_t expected) {
  Incoming incoming(folder / ("upload-" + random_hex(12)));
  std::int64_t received = 0;
  std::exception_ptr failure;  // The library's own frames are not for exceptions to pass.
  const bool complete = reader([&](const char* data, std::size_t size) {
    try {
      incoming.write(data, size);
    } catch (...) {
      failure = std::current_exception();
      return false;
    }
    received += static_cast<std::int64_t>(size);
    return true;
  });
  if (failure) std::rethrow_exception(failure);
  if (!complete || received != expected) {
    throw Error(ErrorCode::invalid, "the upload ended early");
  }
  return incoming.keep();
}

void discard(const httplib::ContentReader& reader, std::int64_t most) {
  std::int64_t received = 0;
  reader([&](const char*, std::size_t size) {
    received += static_cast<std::int64_t>(size);
    return received < most;
  });
}

}  // namespace sarsweep::coordinator
