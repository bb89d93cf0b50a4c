#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace sarsweep::trainer {

// A regular file inside a tar archive.
struct TarMember {
  std::string name;
  std::uint64_t offset = 0, size = 0;  // of its bytes in the archive
};

// Puts up to `count` bytes at `offset` of an archive into `out`; fewer only at its end.
using ReadAt = std::function<std::size_t(std::uint64_t offset, char* out, std::size_t count)>;

// The regular files of an archive in its order; only headers are read. POSIX.1-1988 ustar with the
// prefix field, POSIX.1-2001 pax records `path` and `size`, GNU long names and base-256 sizes;
// folders are passed over. Throws Error(invalid) naming the archive (`name`), the byte and the
// cure for all else: a wrong checksum, links, devices, sparse files, a member or the end-of-archive
// blocks cut off, bytes after them.
std::vector<TarMember> index_tar(const ReadAt& read, std::uint64_t archive_size,
                                 const std::string& name);
std::vector<TarMember> index_tar(const std::filesystem::path& archive);

}  // namespace sarsweep::trainer
