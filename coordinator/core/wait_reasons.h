#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/protocol/run_state.h"

// Why a run is not training. Pure: a look at the queue in, sentences out.
namespace sarsweep::coordinator {

struct MachineLook {
  std::string worker;
  bool live = true, draining = false;
  std::string drained_by = {};  // the person that drained it; empty: nobody
  struct Place {
    std::string device;        // "cpu", "cuda:0"
    std::string run;           // who holds it; empty: nobody
    std::int64_t vram = 0;     // bytes of its GPU; 0: none, or not known
    std::string resting = {};  // why it is not offered; empty: it is
  };
  std::vector<Place> slots;
};

struct WaitLook {
  RunState state = RunState::queued;
  std::string name;       // "sweep/name", as verbs take it
  std::string reason;     // stored with the state
  std::string held = {};  // why its sweep is held; empty: it is not
  std::string sweep = {};
  std::string shortage = {};  // how little the disks have left; empty: enough
  std::int64_t slots = 1;
  std::string device = "auto";    // auto | cpu | cuda
  std::int64_t vram = 0;          // bytes the GPU of each slot must have; 0: any
  std::int64_t ahead = 0;         // queued runs before it
  std::int64_t seconds_left = 0;  // of a backoff
  struct Parent {
    std::string name;
    RunState state = RunState::queued;
    std::int64_t step = 0;
    std::optional<std::int64_t> total_steps;
  };
  std::optional<Parent> parent;
  struct Study {
    std::string name;
    std::int64_t left = 0;  // of its runs, to end
    std::string next;       // the first of them, as verbs take it
  };
  std::optional<Study> study;  // the parent is its best, once it has ended
  std::string worker;          // that holds it
  std::vector<MachineLook> machines;
  struct Pool {  // of Slurm jobs
    std::string name;
    bool paused = false;
    std::string reason;        // why it is, or why its jobs wait; may be empty
    std::int64_t waiting = 0;  // jobs in the cluster's queue
  };
  std::vector<Pool> pools = {};
};

struct WaitReason {
  std::string code;     // "no_worker", "busy", "parent", …
  std::string message;  // one sentence, without a full stop
  std::string cure;     // a command or what to change; empty where waiting is the cure
};

// The most decisive first; never empty.
std::vector<WaitReason> wait_reasons(const WaitLook& look);

}  // namespace sarsweep::coordinator
