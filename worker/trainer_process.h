#pragma once

#include <chrono>
#include <filesystem>
#include <optional>

#include "schema/base/subprocess.h"
#include "worker/attempt_record.h"

namespace sarsweep::worker {

// How a trainer ended. `known` is false for one that was not our child: nobody can tell its status.
struct TrainerExit {
  bool known = true;
  ExitStatus status;
};

// The trainer of one attempt and everything it started. Not thread-safe; confined to its
// Supervisor.
class TrainerProcess {
 public:
  // Starts `trainer train RUN_DIR` as leader of a new session. The record is on disk before the
  // program runs, and again, with the process's identity, before this returns; `record` is updated.
  // Throws Error(internal) where the program cannot be started.
  static TrainerProcess start(const std::filesystem::path& trainer, AttemptRecord& record,
                              const AttemptFolder& folder);
  // Takes over what an earlier worker process started; it may be dead by now.
  static TrainerProcess adopt(const AttemptRecord& record);

  // The trainer's end, once there is one; then the same at every call.
  std::optional<TrainerExit> poll();
  // Asks the trainer itself (not its children) to save and stop: SIGTERM.
  void ask_to_stop();
  // SIGKILL to every process of the attempt. False: some survive it.
  bool destroy(std::chrono::milliseconds patience);

 private:
  explicit TrainerProcess(AttemptRecord record) : record_(std::move(record)) {}

  AttemptRecord record_;
  std::optional<TrainerExit> end_;
};

}  // namespace sarsweep::worker
