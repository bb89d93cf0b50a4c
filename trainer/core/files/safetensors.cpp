#include "trainer/core/files/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

struct FileView {
  std::shared_ptr<const void> mapping;  // null: an empty file
  std::string_view bytes;
};

// The mapping outlives the descriptor. A file that another process truncates while it is mapped
// kills the reader with SIGBUS; our own writers only ever replace files by rename.
FileView map_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    throw Error(ErrorCode::not_found,
                fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
  }
  struct stat status {};
  const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  const auto size = regular ? static_cast<std::size_t>(status.st_size) : 0;
  void* const address =
      size > 0 ? ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
  const int reason = errno;
  ::close(fd);
  if (!regular) {
    throw Error(ErrorCode::invalid,
                fmt::format("{} is not a usable safetensors file: it is not a regular file",
                            path.string()));
  }
  if (size == 0) return {};
  if (address == MAP_FAILED) {
    throw Error(ErrorCode::internal,
                fmt::format("cannot map {}: {}", path.string(), std::strerror(reason)));
  }
  std::shared_ptr<const void> mapping(address,
                                      [address, size](const void*) { ::munmap(address, size); });
  return {std::move(mapping), {static_cast<const char*>(address), size}};
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) {
  const FileView file = map_file(path);
  header_ = parse_safetensors_header(file.bytes, path.string());
  start_ = static_cast<const std::byte*>(file.mapping.get()) + header_.data_begin;
  mapping_ = file.mapping;
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = std::find_if(entries().begin(), entries().end(),
                                  [name](const TensorEntry& entry) { return entry.name == name; });
  return found == entries().end() ? nullptr : &*found;
}

const std::byte* SafetensorsFile::data(const TensorEntry& entry) const {
  return start_ + entry.begin;
}

// Pages at the ends are shared with the neighbours, which only read them again.
std::shared_ptr<const std::byte> SafetensorsFile::borrow(const TensorEntry& entry) const {
  const std::byte* const bytes = data(entry);
  const std::size_t size = entry.end - entry.begin;
  return {bytes, [mapping = mapping_, size](const std::byte* begin) {
            const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
            const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(begin) / page * page;
            const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(begin) + size;
            // A hint: nothing is lost where it fails.
            ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
          }};
}

}  // namespace sarsweep::trainer
