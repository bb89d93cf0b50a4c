#include "tests/support/referee.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "tests/support/present.h"

extern char** environ;

namespace sarsweep::tests {
namespace {

namespace fs = std::filesystem;

fs::path referee_python() { return fs::path(SARSWEEP_SOURCE_DIR) / ".venv-test/bin/python"; }

std::string drain(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t size = ::read(fd, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(size));
  }
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "sarsweep-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed for " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

ProcessResult run_process(const std::vector<std::string>& arguments) {
  std::vector<std::string> owned = arguments;
  std::vector<char*> argv;
  for (std::string& argument : owned) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  ProcessResult result;
  if (error == 0) result.output = drain(ends[0]);
  ::close(ends[0]);
  if (error != 0) throw std::runtime_error("cannot start " + arguments[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

bool referee_present() { return present(fs::exists(referee_python()), ".venv-test"); }

ProcessResult run_referee(const std::string& script, std::vector<std::string> arguments) {
  const fs::path path = fs::path(SARSWEEP_SOURCE_DIR) / "tests/conformance" / script;
  arguments.insert(arguments.begin(), {referee_python().string(), path.string()});
  return run_process(arguments);
}

std::optional<fs::path> open_clip_vocabulary() {
  std::optional<fs::path> found;
  std::error_code absent;
  for (const auto& python :
       fs::directory_iterator(fs::path(SARSWEEP_SOURCE_DIR) / ".venv/lib", absent)) {
    const fs::path file = python.path() / "site-packages/open_clip/bpe_simple_vocab_16e6.txt.gz";
    if (fs::exists(file)) found = file;
  }
  present(found.has_value(), "open_clip's vocabulary in .venv");
  return found;
}

}  // namespace sarsweep::tests
