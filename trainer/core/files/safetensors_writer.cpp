#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/files/safetensors.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr std::size_t kHeaderAlignment = 8;

// A file that becomes `path` when finished, and nothing otherwise.
class PendingFile {
 public:
  explicit PendingFile(const std::filesystem::path& path) : path_(path), temporary_(path) {
    temporary_ += ".tmp" + std::to_string(::getpid());
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) fail("cannot create");
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  void write(const void* data, std::size_t size) {
    const char* cursor = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(fd_, cursor, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("cannot write");
      cursor += written;
      size -= static_cast<std::size_t>(written);
    }
  }

  void finish() {
    if (::fsync(fd_) != 0) fail("cannot sync");
    if (::close(std::exchange(fd_, -1)) != 0) fail("cannot close");
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot rename");
    temporary_.clear();
    sync_path(path_.has_parent_path() ? path_.parent_path() : ".");
  }

 private:
  [[noreturn]] void fail(const char* action) const {
    throw Error(ErrorCode::internal,
                fmt::format("{} {}: {}", action, temporary_.string(), std::strerror(errno)));
  }

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
};

std::size_t bytes_of(const TensorToWrite& tensor) {
  std::size_t bytes = size_of(tensor.dtype);
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::size_t>(extent), &bytes)) {
      throw Error(ErrorCode::invalid,
                  fmt::format("tensor \"{}\" has the impossible extent {}", tensor.name, extent));
    }
  }
  return bytes;
}

// Largest element first, so that every tensor is aligned to its own element size.
std::vector<std::size_t> file_order(const std::vector<TensorToWrite>& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const std::size_t size_a = size_of(tensors[a].dtype);
    const std::size_t size_b = size_of(tensors[b].dtype);
    return std::tie(size_b, tensors[a].name) < std::tie(size_a, tensors[b].name);
  });
  return order;
}

std::string header_of(const std::vector<TensorToWrite>& tensors,
                      const std::vector<std::size_t>& order,
                      std::map<std::string, std::string> metadata) {
  metadata.emplace("format", "pt");
  json header{{"__metadata__", std::move(metadata)}};
  std::size_t offset = 0;
  for (const std::size_t i : order) {
    const TensorToWrite& tensor = tensors[i];
    const std::size_t end = offset + bytes_of(tensor);
    if (header.contains(tensor.name)) {
      throw Error(ErrorCode::invalid,
                  fmt::format("the tensor name \"{}\" is {}", tensor.name,
                              tensor.name == "__metadata__" ? "reserved" : "used twice"));
    }
    header[tensor.name] = {{"dtype", to_string(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  try {
    std::string text = canonical_json(header);
    text.append((kHeaderAlignment - text.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
    return text;
  } catch (const json::exception& error) {
    throw Error(ErrorCode::invalid,
                fmt::format("a tensor name or metadata value is not UTF-8: {}", error.what()));
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
                       const std::function<const void*(std::size_t)>& fetch,
                       std::map<std::string, std::string> metadata) {
  const std::vector<std::size_t> order = file_order(tensors);
  const std::string header = header_of(tensors, order, std::move(metadata));
  const std::uint64_t length = header.size();
  PendingFile file(path);
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (const std::size_t i : order) {
    file.write(fetch(i), bytes_of(tensors[i]));
  }
  file.finish();
}

}  // namespace sarsweep::trainer
