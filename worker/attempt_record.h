#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "schema/protocol/messages.h"

namespace sarsweep::worker {

// Which process: a pid alone may belong to somebody else by now. The trainer leads its session, so
// its pid is the session's id as well.
struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t starttime = 0;  // clock ticks since boot, /proc/PID/stat field 22
  std::string boot_id;          // /proc/sys/kernel/random/boot_id
};

// What a worker must know to take over, or to clean up, a trainer it did not start.
struct AttemptRecord {
  LeaseKey key;
  std::string name;  // of the run, for people
  std::vector<int> slots;
  std::filesystem::path run_dir;
  std::string marker;  // "SARSWEEP_ATTEMPT=<random>" in the environment of every process
  std::optional<std::chrono::seconds> walltime;  // of the trainer; then it saves and stops
  std::optional<ProcessIdentity> process;        // absent: written before the trainer was started
};

// Whether the trainer is several processes, one a slot, under mpirun.
inline bool has_ranks(const AttemptRecord& record) { return record.slots.size() > 1; }

// The records of one worker: <home>/worker-NAME/attempts/RUN-eN.json, readable by their owner alone
// (they hold grant tokens). A record exists from before its trainer starts until the coordinator
// has accepted its end. Thread-safe for different runs.
class AttemptFolder {
 public:
  explicit AttemptFolder(std::filesystem::path folder);  // Creates it. Throws Error(internal).

  // Durable when it returns. Throws Error(internal).
  void save(const AttemptRecord& record) const;
  void remove(const AttemptRecord& record) const;
  // All that can be read; an unreadable one is logged and set aside as *.broken.
  std::vector<AttemptRecord> load() const;

 private:
  std::filesystem::path file_of(const AttemptRecord& record) const;

  std::filesystem::path folder_;
};

}  // namespace sarsweep::worker
