#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

// The reference implementations (transformers, diffusers, safetensors) live in the Python
// environment .venv-test beside the sources. A test runs them as a process and skips where they are
// absent, unless that is forbidden (present.h).
namespace sarsweep::tests {

// A fresh folder, removed with all it holds at the end of its life.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct ProcessResult {
  int exit_code = -1;  // 128 + signal if one ended it
  std::string output;  // stdout and stderr together
};
// Runs `arguments[0]`, waits for its end.
ProcessResult run_process(const std::vector<std::string>& arguments);

bool referee_present();
// Runs tests/conformance/SCRIPT with the referee's Python.
ProcessResult run_referee(const std::string& script, std::vector<std::string> arguments);
// The open_clip vocabulary of .venv, if it is installed.
std::optional<std::filesystem::path> open_clip_vocabulary();

}  // namespace sarsweep::tests
