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

// What trainers are started with.
struct TrainerPrograms {
  std::filesystem::path trainer;
  std::filesystem::path
      mpirun;  // for attempts with several slots, a rank each; empty: there is none
};

// The trainer of one attempt and everything it started. Not thread-safe; confined to its
// Supervisor.
class TrainerProcess {
 public:
  // Starts `trainer train RUN_DIR`, under `mpirun -n SLOTS` where it has several slots, as leader
  // of a new session. The record is on disk before the program runs, and again, with the process's
  // identity, before this returns; `record` is updated. Throws Error(internal) where the program
  // cannot be started, Error(not_found) without the mpirun it needs.
  static TrainerProcess start(const TrainerPrograms& programs, AttemptRecord& record,
                              const AttemptFolder& folder);
  // Takes over what an earlier worker process started; it may be dead by now.
  static TrainerProcess adopt(const AttemptRecord& record);

  // The trainer's end, once there is one; then the same at every call.
  std::optional<TrainerExit> poll();
  // Asks the trainer itself (not its children) to save and stop: SIGTERM, or to mpirun SIGUSR2,
  // which it hands on to all ranks: by SIGTERM it would kill them within a second.
  void ask_to_stop();
  // SIGKILL to every process of the attempt. False: some survive it.
  bool destroy(std::chrono::milliseconds patience);

 private:
  explicit TrainerProcess(AttemptRecord record) : record_(std::move(record)) {}

  AttemptRecord record_;
  std::optional<TrainerExit> end_;
};

}  // namespace sarsweep::worker
