#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/attempt_record.h"

// The processes of this machine, as /proc shows them.
namespace sarsweep::worker {

struct ProcessFacts {
  pid_t session = 0;
  char state = '?';  // 'Z': dead, but not yet reaped
  std::uint64_t starttime = 0;
};

std::optional<ProcessFacts> process_facts(pid_t pid);  // nullopt: there is none
std::string boot_id();
ProcessIdentity identify(pid_t pid);  // Throws Error(not_found).

// How long ago it was started, by a clock that nobody sets.
std::chrono::milliseconds age_of(const ProcessIdentity& identity);

// True while exactly that process runs (a zombie does not).
bool is_alive(const ProcessIdentity& identity);

// Every living process of the attempt: those whose environment at exec held `marker`, wherever they
// fled to, and those of the trainer's session. A session number that was given to strangers since
// is recognised by its leader's start time and left alone.
std::vector<pid_t> attempt_processes(const AttemptRecord& record);

// SIGKILL to all of them, again and again, until none is left. False if some survive `patience`
// (uninterruptible sleep in a driver).
bool kill_attempt(const AttemptRecord& record, std::chrono::milliseconds patience);

}  // namespace sarsweep::worker
