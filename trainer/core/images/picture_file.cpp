#include "trainer/core/images/picture_file.h"

#include <fmt/format.h>

#include <fstream>

#include "schema/base/error.h"

namespace sarsweep::trainer {

std::string PictureFile::name() const {
  return member.empty() ? path.string() : (path / member).string();
}

std::uint64_t PictureFile::size() const {
  if (slice) return slice->size;
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  if (!error && std::filesystem::is_regular_file(path)) return size;
  throw Error(ErrorCode::not_found,
              fmt::format("{}: no such picture, or it cannot be opened", name()));
}

std::string PictureFile::read() const {
  std::string bytes(size(), '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw Error(ErrorCode::not_found,
                fmt::format("{}: no such picture, or it cannot be opened", name()));
  }
  if (slice) in.seekg(static_cast<std::streamoff>(slice->offset));
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (static_cast<std::uint64_t>(in.gcount()) == bytes.size()) return bytes;
  throw Error(ErrorCode::invalid, fmt::format("{}: ends after {} of {} bytes; copy the file again",
                                              name(), in.gcount(), bytes.size()));
}

}  // namespace sarsweep::trainer
