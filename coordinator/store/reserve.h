#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>

namespace sarsweep::coordinator {

// A file that holds disk space for what must be written even where the disk is full: the states of
// runs. Thread-safe.
class Reserve {
 public:
  explicit Reserve(std::filesystem::path file) : file_(std::move(file)) {}

  // Makes the file, where it is missing and the disk has room to spare for it.
  void fill();
  // Gives its space back to the disk. False if there was none.
  bool release();

 private:
  const std::filesystem::path file_;
  std::mutex mutex_;
};

}  // namespace sarsweep::coordinator
