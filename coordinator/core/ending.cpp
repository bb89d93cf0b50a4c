#include "coordinator/core/ending.h"

#include <fmt/format.h>

#include <algorithm>

#include "schema/protocol/run_dir.h"

namespace sarsweep::coordinator {
namespace {

using run_dir::ExitCode;

// 10 s, 20 s, 40 s … up to 5 min.
std::int64_t backoff_ms(std::int64_t failures) {
  return std::min<std::int64_t>(10'000LL << std::clamp<std::int64_t>(failures - 1, 0, 5), 300'000);
}

std::string sentence(const Exit& exit) {
  if (!exit.reason.empty()) return exit.reason;
  if (exit.signal != 0) return fmt::format("signal {}", exit.signal);
  return fmt::format("exit code {}", exit.code);
}

Ending charged(Charge charge, const Budget& budget, const std::string& reason) {
  const bool infra = charge == Charge::infrastructure;
  const std::int64_t failures = (infra ? budget.infra_failures : budget.user_failures) + 1;
  const std::int64_t allowed = infra ? kInfraBudget : budget.retries;
  Ending ending{AttemptEnd::failed, RunState::backoff, charge, backoff_ms(failures), reason};
  if (failures > allowed) {
    ending.to = RunState::failed;
    ending.delay_ms = 0;
    ending.reason = fmt::format("{} ({} of {} {} used)", reason, allowed, allowed,
                                infra ? "infrastructure losses" : "retries");
  }
  return ending;
}

Ending out_of_memory(const Exit& exit, const Budget& budget) {
  Ending ending{AttemptEnd::failed, RunState::failed, Charge::none, 0, ""};
  if (exit.micro_batch == 1) {
    ending.reason =
        "out of memory with one image a pass; train.gradient_checkpointing: block, a LoRA or a "
        "smaller data.resolution take less";
  } else if (budget.micro_halvings >= kMostHalvings) {
    ending.reason =
        fmt::format("out of memory after {} halvings of its micro batch", budget.micro_halvings);
  } else {
    ending.to = RunState::queued;
    ending.charge = Charge::memory;
    ending.reason = exit.micro_batch
                        ? fmt::format("out of memory with {} images a pass; it goes on with {}",
                                      *exit.micro_batch, *exit.micro_batch / 2)
                        : "out of memory; it goes on with half the micro batch";
  }
  return ending;
}

Ending preempted(const Exit& exit, const Budget& budget, const std::string& reason) {
  if (exit.walltime && !exit.saved) {
    return charged(Charge::user, budget,
                   "its walltime ended before its first checkpoint; raise resources.walltime");
  }
  return {AttemptEnd::preempted, RunState::queued, Charge::none, 0,
          exit.walltime ? "preempted: its walltime was over" : reason};
}

Ending ending_while_held(const Exit& exit, const Budget& budget) {
  const std::string reason = sentence(exit);
  if (exit.signal != 0) {
    if (exit.draining) return preempted(exit, budget, reason);
    return charged(Charge::infrastructure, budget, reason);
  }
  switch (static_cast<ExitCode>(exit.code)) {
    case ExitCode::done: return {AttemptEnd::succeeded, RunState::done, Charge::none, 0, ""};
    case ExitCode::stopped: return preempted(exit, budget, "preempted: " + reason);
    case ExitCode::diverged: return {AttemptEnd::failed, RunState::failed, Charge::none, 0, reason};
    case ExitCode::bad_config:
      return {AttemptEnd::spec_error, RunState::failed, Charge::none, 0, reason};
    case ExitCode::temporary: return charged(Charge::infrastructure, budget, reason);
    case ExitCode::out_of_memory: return out_of_memory(exit, budget);
  }
  return charged(Charge::user, budget, reason);
}

}  // namespace

Ending ending_of(RunState state, const Exit& exit, const Budget& budget) {
  if (state == RunState::cancelling) {
    return {AttemptEnd::cancelled, RunState::cancelled, Charge::none, 0, sentence(exit)};
  }
  Ending ending = ending_while_held(exit, budget);
  if (state != RunState::pausing || ending.to == RunState::done) return ending;
  if (ending.to == RunState::failed && ending.charge == Charge::none) return ending;
  return {AttemptEnd::paused, RunState::paused, ending.charge, 0, ""};
}

Ending ending_of_lost_lease(RunState state, const Budget& budget) {
  const std::string reason = "the worker fell silent";
  if (state == RunState::cancelling) {
    return {AttemptEnd::lost, RunState::cancelled, Charge::none, 0, reason};
  }
  if (state == RunState::pausing) {
    return {AttemptEnd::lost, RunState::paused, Charge::none, 0, reason};
  }
  Ending ending = charged(Charge::infrastructure, budget, reason);
  ending.end = AttemptEnd::lost;
  if (ending.to == RunState::backoff) {
    ending.to = RunState::queued;  // The lease itself was the delay.
    ending.delay_ms = 0;
  }
  return ending;
}

}  // namespace sarsweep::coordinator
