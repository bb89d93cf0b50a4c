#include "coordinator/core/object_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "coordinator/core/store_path.h"
#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, int error_number) {
  throw Error(code_of_errno(error_number),
              fmt::format("{} cannot be written: {}", file.string(), std::strerror(error_number)));
}

bool is_sha256(const std::string& text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 64 && std::all_of(text.begin(), text.end(), hex);
}

class Descriptor {
 public:
  explicit Descriptor(const fs::path& file)
      : value_(open(file.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644)) {
    if (value_ < 0) fail(file, errno);
  }
  ~Descriptor() { close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

void make_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) fail(folder, failed.value());
}

}  // namespace

ObjectStore::ObjectStore(fs::path root) : root_(std::move(root)) {
  for (const char* folder : {"objects", "logs", "incoming", "runs"}) make_folder(root_ / folder);
}

fs::path ObjectStore::object(const std::string& sha256) const {
  if (!is_sha256(sha256)) {
    throw Error(ErrorCode::invalid, "'" + sha256.substr(0, 80) + "' is no SHA-256 in hex",
                "sha256");
  }
  return root_ / "objects" / sha256.substr(0, 2) / sha256;
}

bool ObjectStore::has(const std::string& sha256) const {
  const fs::path file = object(sha256);
  std::error_code ignored;
  return !is_link(file) && !is_link(file.parent_path()) && fs::is_regular_file(file, ignored);
}

void ObjectStore::commit(const std::string& sha256, const fs::path& file) const {
  const fs::path target = object(sha256);
  const std::string found = sha256_file(file);
  if (found != sha256) {
    std::error_code ignored;
    fs::remove(file, ignored);
    throw Error(ErrorCode::invalid,
                fmt::format("the upload has the digest {}, not {}; send it again", found, sha256));
  }
  make_folder(target.parent_path());
  sync_path(file);
  std::error_code failed;
  fs::rename(file, target, failed);
  if (failed) fail(target, failed.value());
  sync_path(target.parent_path());
}

fs::path ObjectStore::log(const std::string& run, std::int64_t epoch) const {
  return root_ / "logs" / run / fmt::format("{}.log", epoch);
}

void ObjectStore::write_log(const fs::path& file, std::int64_t offset,
                            std::string_view bytes) const {
  make_folder(file.parent_path());
  if (is_link(file.parent_path())) fail(file, ELOOP);
  const Descriptor out(file);
  while (!bytes.empty()) {
    const ssize_t written = pwrite(out.get(), bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(file, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += written;
  }
}

std::string ObjectStore::read_log(const fs::path& file, std::int64_t offset,
                                  std::int64_t limit) const {
  if (is_link(file) || is_link(file.parent_path())) return {};
  std::ifstream in(file, std::ios::binary);
  if (!in && errno != ENOENT) {  // Nothing is not what stands there.
    throw Error(ErrorCode::internal,
                fmt::format("{} cannot be read: {}", file.string(), std::strerror(errno)));
  }
  std::string bytes(static_cast<std::size_t>(std::max<std::int64_t>(limit, 0)), '\0');
  if (!in || !in.seekg(offset)) return {};
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

}  // namespace sarsweep::coordinator
