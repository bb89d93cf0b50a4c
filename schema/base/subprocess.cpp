#include "schema/base/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "schema/base/error.h"

namespace sarsweep {
namespace {

constexpr mode_t kOwnerWrites = 0644;

class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void redirect(int descriptor, const std::filesystem::path& file) {
    if (file.empty()) return;
    posix_spawn_file_actions_addopen(&actions_, descriptor, file.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, kOwnerWrites);
  }
  void close_the_rest() {
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
  }
  void isolate(SpawnOptions::Isolation isolation, const std::vector<int>& blocked) {
    sigset_t mask;
    sigemptyset(&mask);
    for (const int number : blocked) sigaddset(&mask, number);
    posix_spawnattr_setsigmask(&attributes_, &mask);
    sigset_t usual;
    sigemptyset(&usual);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&usual, number);
    posix_spawnattr_setsigdefault(&attributes_, &usual);
    const bool session = isolation == SpawnOptions::Isolation::session;
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                         (session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP)));
  }
  int start(pid_t& child, char* const* arguments, char* const* environment) const {
    return posix_spawn(&child, arguments[0], &actions_, &attributes_, arguments, environment);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::vector<std::string> merged_environment(const std::vector<std::string>& changes) {
  const auto key_of = [](const std::string& entry) { return entry.substr(0, entry.find('=') + 1); };
  std::vector<std::string> merged = changes;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string key = key_of(*entry);
    bool replaced = false;
    for (const std::string& change : changes) replaced = replaced || key_of(change) == key;
    if (!replaced) merged.emplace_back(*entry);
  }
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

pid_t spawn(const SpawnOptions& options) {
  SpawnPlan plan;
  plan.redirect(STDOUT_FILENO, options.output);
  plan.redirect(STDERR_FILENO, options.errors);
  plan.close_the_rest();
  plan.isolate(options.isolation, options.blocked);
  std::vector<std::string> command = options.command;
  std::vector<std::string> environment = merged_environment(options.environment);
  pid_t child = 0;
  const int failure = plan.start(child, pointers(command).data(), pointers(environment).data());
  if (failure != 0) {
    throw Error(ErrorCode::internal,
                "cannot start " + options.command.front() + ": " + std::strerror(failure));
  }
  return child;
}

std::optional<ExitStatus> try_wait(pid_t child) {
  int status = 0;
  pid_t answer = 0;
  do {
    answer = waitpid(child, &status, WNOHANG);
  } while (answer < 0 && errno == EINTR);
  if (answer == 0) return std::nullopt;
  if (answer < 0) {
    throw Error(ErrorCode::not_found, "process " + std::to_string(child) + " is no child of ours");
  }
  if (WIFSIGNALED(status)) return ExitStatus{128 + WTERMSIG(status), WTERMSIG(status)};
  return ExitStatus{WEXITSTATUS(status), 0};
}

std::filesystem::path find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path file = std::filesystem::path(folder) / name;
    if (file.is_absolute() && access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

std::filesystem::path program_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

}  // namespace sarsweep
