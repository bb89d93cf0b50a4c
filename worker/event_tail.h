#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sarsweep::worker {

// How far a reader of a growing file may go.
enum class Until {
  line_end,  // what stands after the last newline may still be half a write
  file_end   // nobody writes any more
};

// The bytes of `file` from `offset`, at most about `limit` (one longer line comes whole), ending at
// a newline for Until::line_end. Empty where there is nothing new or no file.
std::string read_from(const std::filesystem::path& file, std::int64_t offset, std::size_t limit,
                      Until until);

// How many bytes a finished stream has: all of them, or those up to its last newline.
std::int64_t stream_size(const std::filesystem::path& file, Until until);

// A file that an event names and the coordinator must hold before the run may end.
struct Artifact {
  std::string sha256;
  std::filesystem::path file;  // absolute
};

// What the trainer said about its end.
struct EndEvent {
  int exit_code = 0;
  std::string reason;
};

// Follows the complete lines of an events.jsonl and keeps what the worker itself needs of them. A
// line that is not valid is skipped here: judging it is the coordinator's business. Not
// thread-safe.
class EventTail {
 public:
  explicit EventTail(std::filesystem::path run_dir);

  void update();                                                         // Reads what is new.
  const std::vector<Artifact>& artifacts() const { return artifacts_; }  // in order, each once
  const std::optional<EndEvent>& end() const { return end_; }            // the newest

 private:
  void take(const std::string& line);
  void take_artifact(const std::string& sha256, const std::string& file);

  std::filesystem::path run_dir_;
  std::int64_t offset_ = 0;
  std::vector<Artifact> artifacts_;
  std::optional<EndEvent> end_;
};

}  // namespace sarsweep::worker
