#include "schema/base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "schema/base/error.h"

namespace sarsweep {
namespace {

[[noreturn]] void fail(const char* action, const std::filesystem::path& path) {
  throw Error(code_of_errno(errno),
              std::string(action) + " " + path.string() + ": " + std::strerror(errno));
}

// The system, and not the path that it was given.
bool failed_itself(int error_number) {
  return error_number == EIO || error_number == EMFILE || error_number == ENFILE ||
         error_number == ENOMEM;
}

void write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write", path);
    content.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

void write_file_atomically(const std::filesystem::path& path, std::string_view content,
                           FileMode mode) {
  std::filesystem::path temporary = path;
  temporary += ".tmp" + std::to_string(::getpid());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                        static_cast<mode_t>(mode));
  if (fd < 0) fail("cannot create", temporary);
  try {
    write_all(fd, content, temporary);
    if (::fsync(fd) != 0) fail("cannot sync", temporary);
  } catch (...) {
    ::close(fd);
    ::unlink(temporary.c_str());
    throw;
  }
  ::close(fd);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int failed = errno;
    ::unlink(temporary.c_str());
    errno = failed;
    fail("cannot replace", path);
  }
  sync_path(path.has_parent_path() ? path.parent_path() : ".");
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const ErrorCode code = failed_itself(errno) ? ErrorCode::internal : ErrorCode::not_found;
    throw Error(code, "cannot open " + path.string() + ": " + std::strerror(errno));
  }
  try {
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  } catch (const std::ios_base::failure& failure) {
    throw Error(ErrorCode::internal, "cannot read " + path.string() + ": " + failure.what());
  }
}

void sync_path(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("cannot open", path);
  const int result = ::fsync(fd);
  ::close(fd);
  if (result != 0) fail("cannot sync", path);
}

}  // namespace sarsweep
