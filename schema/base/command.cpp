#include "schema/base/command.h"

#include <signal.h>
#include <stdlib.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "schema/base/error.h"

namespace sarsweep {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLook{10};
constexpr milliseconds kUntilDead{5'000};
constexpr std::size_t kMostBytes = 1U << 20U;

// Where the output goes: files, for a pipe would stay open as long as any grandchild lives.
class OutputFolder {
 public:
  OutputFolder() {
    std::string name = (fs::temp_directory_path() / "sarsweep-command-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw Error(ErrorCode::internal, "cannot make a folder in " +
                                           fs::temp_directory_path().string() + ": " +
                                           std::strerror(errno));
    }
    path_ = name;
  }
  ~OutputFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  fs::path file(const char* name) const { return path_ / name; }
  std::string text(const char* name) const {
    std::ifstream in(file(name), std::ios::binary);
    std::string text(kMostBytes, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
  }

 private:
  fs::path path_;
};

std::optional<ExitStatus> wait_for(pid_t child, milliseconds limit, const std::stop_token& stop) {
  const auto end = steady_clock::now() + limit;
  std::mutex mutex;
  std::condition_variable_any nobody;
  std::unique_lock lock(mutex);
  for (;;) {
    if (const auto status = try_wait(child)) return status;
    if (stop.stop_requested() || steady_clock::now() >= end) return std::nullopt;
    nobody.wait_for(lock, stop, kLook, [] { return false; });
  }
}

}  // namespace

CommandOutcome run_command(const std::vector<std::string>& command, milliseconds limit,
                           const std::stop_token& stop) {
  const OutputFolder folder;
  const pid_t child = spawn({.command = command,
                             .environment = {},
                             .output = folder.file("output"),
                             .errors = folder.file("errors")});
  CommandOutcome outcome;
  outcome.status = wait_for(child, limit, stop);
  if (!outcome.status) {
    kill(-child, SIGKILL);
    wait_for(child, kUntilDead, {});
  }
  outcome.output = folder.text("output");
  outcome.errors = folder.text("errors");
  return outcome;
}

std::string shell_word(const std::string& text) {
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  }
  return word + "'";
}

std::string first_line(const std::string& text) {
  const char* const blanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string::npos) return {};
  const std::string line = text.substr(begin, text.find('\n', begin) - begin);
  return line.substr(0, line.find_last_not_of(blanks) + 1);
}

}  // namespace sarsweep
