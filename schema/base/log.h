#pragma once

#include <filesystem>
#include <string>

namespace sarsweep {

// Sets up spdlog for a process: one line per event on stderr, `PROGRAM level message`, and the same
// into `file` unless that is empty. User text must go through `printable` first.
void start_log(const std::string& program, const std::filesystem::path& file = {});

// The text with control and bidirectional characters escaped and at most `limit` bytes long.
std::string printable(const std::string& text, std::size_t limit = 500);

}  // namespace sarsweep
