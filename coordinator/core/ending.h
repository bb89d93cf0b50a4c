#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "schema/protocol/run_state.h"

namespace sarsweep::coordinator {

// Losses of the infrastructure (lost leases, signals, exit 75) that a run may suffer.
inline constexpr std::int64_t kInfraBudget = 10;
// How often the micro batch of a run that does not fit is halved.
inline constexpr std::int64_t kMostHalvings = 4;

// How the trainer of one attempt ended, and what its run had behind it.
struct Exit {
  int code = 0;
  int signal = 0;
  bool draining = false;                         // the worker stopped it on its own account
  bool walltime = false;                         // for its resources.walltime was over
  bool saved = false;                            // a checkpoint was sealed
  std::optional<std::int64_t> micro_batch = {};  // images of one pass, where memory ran out
  std::string reason = {};
};
struct Budget {
  std::int64_t retries = 2;
  std::int64_t user_failures = 0, infra_failures = 0;
  std::int64_t micro_halvings = 0;
};

enum class Charge { none, user, infrastructure, memory };

// What follows: the end of the attempt, the run's next state and the budget that pays.
struct Ending {
  AttemptEnd end = AttemptEnd::failed;
  RunState to = RunState::failed;
  Charge charge = Charge::none;
  std::int64_t delay_ms = 0;  // of a backoff
  std::string reason = {};
};

// The exit-code policy for a run in a held state. Pure.
//   0 done; 143 preempted, queued again, no budget, unless its walltime ended before it saved
//   anything, which would go on for ever and costs the run's `retries`; 77 and 78 failed at once;
//   76 out of memory, queued again with half the micro batch, at most kMostHalvings times and never
//   below one image; 75 and signals cost the infrastructure's budget; anything else the run's
//   `retries`. A cancelling run never ends done; a pausing one does only with exit 0.
Ending ending_of(RunState state, const Exit& exit, const Budget& budget);
// The same for a lease that ran out.
Ending ending_of_lost_lease(RunState state, const Budget& budget);

}  // namespace sarsweep::coordinator
