#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace sarsweep::trainer {

// Where the bytes of one picture lie: a file of its own, or a slice of an archive.
struct PictureFile {
  struct Slice {
    std::uint64_t offset = 0, size = 0;  // bytes
    bool operator==(const Slice&) const = default;
  };
  std::filesystem::path path;
  std::string member = {};          // its name in the archive; empty: the file is the picture
  std::optional<Slice> slice = {};  // nullopt: the whole file

  std::string name() const;    // "DIR/a.png" or "DIR/train-0.tar/a.png", for messages
  std::uint64_t size() const;  // in bytes; throws as read() does
  // The bytes. Throws Error(not_found) where the file cannot be opened, Error(invalid) where it
  // ends before the slice does.
  std::string read() const;
  bool operator==(const PictureFile&) const = default;
};

}  // namespace sarsweep::trainer
