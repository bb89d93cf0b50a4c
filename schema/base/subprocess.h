#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sarsweep {

// How a process ended: an exit code, or the signal that ended it (then `code` is 128 + signal).
struct ExitStatus {
  int code = 0;
  int signal = 0;
};

// What a child gets. Its signal mask is empty but for `blocked`, SIGPIPE, SIGINT and SIGTERM act as
// usual, and no file descriptor but 0, 1 and 2 survives into it. Standard input is empty.
struct SpawnOptions {
  enum class Isolation { session, group };
  std::vector<std::string> command;      // command[0] is a path; no search
  std::vector<std::string> environment;  // "KEY=VALUE", set over the caller's environment
  std::filesystem::path output;          // appended to; empty: the caller's standard output
  std::filesystem::path errors;          // likewise for standard error
  Isolation isolation = Isolation::session;
  std::vector<int> blocked = {};  // signals it does not hear of
};

// Starts a child, leader of a new session or process group. Throws Error(internal) with the
// program's name and the reason where it cannot be started. Thread-safe.
pid_t spawn(const SpawnOptions& options);

// The end of a child, without waiting; nullopt while it runs. Reaps it, so it answers once. Throws
// Error(not_found) where `child` is no child of this process.
std::optional<ExitStatus> try_wait(pid_t child);

// The program of that name on PATH, absolute; empty where there is none.
std::filesystem::path find_program(const std::string& name);

// The folder of the running program.
std::filesystem::path program_folder();

}  // namespace sarsweep
