#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace sarsweep::coordinator {

// The files below the artifact store: objects/ab/SHA256, logs/RUN/EPOCH.log, incoming/ for uploads
// that are under way. Thread-safe as far as the file system is.
class ObjectStore {
 public:
  explicit ObjectStore(std::filesystem::path root);  // Creates the folders.

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path incoming() const { return root_ / "incoming"; }
  // Throws Error(invalid) unless `sha256` is 64 lower-case hex characters.
  std::filesystem::path object(const std::string& sha256) const;
  bool has(const std::string& sha256) const;
  // Checks the digest of `file` and moves it into place, durably. Throws Error(invalid) on a
  // mismatch.
  void commit(const std::string& sha256, const std::filesystem::path& file) const;

  std::filesystem::path log(const std::string& run, std::int64_t epoch) const;
  // Overwrites from `offset`: what an append that never was committed left there is void.
  void write_log(const std::filesystem::path& file, std::int64_t offset,
                 std::string_view bytes) const;
  // At most `limit` bytes from `offset`; empty where there is no file.
  std::string read_log(const std::filesystem::path& file, std::int64_t offset,
                       std::int64_t limit) const;

 private:
  std::filesystem::path root_;
};

}  // namespace sarsweep::coordinator
