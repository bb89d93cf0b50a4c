#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "schema/base/subprocess.h"

namespace sarsweep {

// What a command said and how it ended.
struct CommandOutcome {
  std::optional<ExitStatus> status;  // absent: its time was over, or a stop came, and it was killed
  std::string output, errors;        // the first MiB of each

  bool succeeded() const { return status && status->code == 0; }
};

// Runs another program to its end, at most for `limit` and until `stop`; then it is killed with
// what it started. What a command leaves running at its own end cannot keep the caller waiting.
// Throws Error(internal) where it cannot be started. Thread-safe.
CommandOutcome run_command(const std::vector<std::string>& command, std::chrono::milliseconds limit,
                           const std::stop_token& stop = {});

// A word of a POSIX shell that stands for exactly this text.
std::string shell_word(const std::string& text);

// The first line of `text` that is not blank, without the blanks around it: what a program says
// first is what a message can quote.
std::string first_line(const std::string& text);

}  // namespace sarsweep
