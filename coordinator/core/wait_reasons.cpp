#include "coordinator/core/wait_reasons.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "coordinator/core/scheduler.h"
#include "schema/config/size.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::size_t kNamed = 3;  // holders of slots; the rest is counted

std::string slots_wanted(const WaitLook& look) {
  const std::string kind = look.device == "auto" ? "" : look.device + " ";
  const std::string slots = look.slots == 1
                                ? fmt::format("a {}slot", kind)
                                : fmt::format("{} {}slots of one machine", look.slots, kind);
  return look.vram == 0
             ? slots
             : fmt::format("{} with {} of GPU memory", slots, config::display_gib(look.vram));
}

bool serves(const MachineLook::Place& place, const WaitLook& look) {
  return fits(place.device, look.device) && has_memory(place.vram, look.vram);
}

bool is_free(const MachineLook::Place& place) { return place.run.empty() && place.resting.empty(); }

std::int64_t count_fitting(const MachineLook& machine, const WaitLook& look, bool free_alone) {
  return std::count_if(machine.slots.begin(), machine.slots.end(),
                       [&](const MachineLook::Place& place) {
                         return serves(place, look) && (is_free(place) || !free_alone);
                       });
}

std::string holders_of(const MachineLook& machine) {
  std::set<std::string> holders;
  for (const MachineLook::Place& place : machine.slots) {
    if (!place.run.empty()) holders.insert(place.run);
  }
  std::vector<std::string> named(
      holders.begin(),
      std::next(holders.begin(), static_cast<std::ptrdiff_t>(std::min(kNamed, holders.size()))));
  const std::size_t rest = holders.size() - named.size();
  return fmt::format("{}{}", fmt::join(named, ", "),
                     rest == 0 ? "" : fmt::format(" and {} more", rest));
}

WaitReason no_live_worker(const WaitLook& look) {
  if (look.machines.empty()) {
    return {"no_worker", "no worker has ever registered", "start one: sarsweep worker"};
  }
  std::vector<std::string> names;
  for (const MachineLook& machine : look.machines) names.push_back(machine.worker);
  return {"no_worker",
          fmt::format("no worker is alive; silent or gone: {}", fmt::join(names, ", ")),
          "start one: sarsweep worker"};
}

// No live worker has GPUs of that memory, though it has the slots.
std::optional<WaitReason> too_little_memory(const WaitLook& look,
                                            const std::vector<MachineLook>& live) {
  if (look.vram == 0) return std::nullopt;
  std::int64_t largest = 0, gpus = 0;
  std::string where;
  for (const MachineLook& machine : live) {
    for (const MachineLook::Place& place : machine.slots) {
      if (!fits(place.device, "cuda")) continue;
      ++gpus;
      if (place.vram <= largest) continue;
      largest = place.vram;
      where = machine.worker;
    }
  }
  const std::string wants = "it wants " + slots_wanted(look);
  if (gpus == 0) {
    return WaitReason{"vram", wants + ", and no live worker has a GPU",
                      "start a worker on a machine with GPUs, or leave out resources.vram"};
  }
  if (largest == 0) {
    return WaitReason{"vram",
                      wants +
                          ", and no live worker can tell how much its GPUs have: nvidia-smi is "
                          "not on its PATH or does not say",
                      "make nvidia-smi work there, or leave out resources.vram"};
  }
  if (has_memory(largest, look.vram)) return std::nullopt;
  return WaitReason{"vram",
                    fmt::format("{}, and the largest GPU of a live worker has {} ({})", wants,
                                config::display_gib(largest), where),
                    "start a worker with a larger one, or lower resources.vram"};
}

WaitReason too_small(const WaitLook& look, std::int64_t most) {
  return {"too_large",
          fmt::format("it wants {}, and the largest live worker has {}", slots_wanted(look), most),
          "start a worker with more, or lower resources.gpus or change resources.device"};
}

// Of a machine that would have the room, were none of its slots resting.
std::optional<WaitReason> rest_of(const MachineLook& machine, const WaitLook& look) {
  std::int64_t idle = 0;
  const MachineLook::Place* resting = nullptr;
  for (const MachineLook::Place& place : machine.slots) {
    if (!serves(place, look) || !place.run.empty()) continue;
    ++idle;
    if (resting == nullptr && !place.resting.empty()) resting = &place;
  }
  if (resting == nullptr || idle < look.slots) return std::nullopt;
  return WaitReason{"resting",
                    fmt::format("worker {} does not offer {} yet: {}", machine.worker,
                                resting->device, resting->resting),
                    "look there who uses it: nvidia-smi"};
}

// Of one machine that could hold the run; nullopt if it has the room now.
std::optional<WaitReason> obstacle(const MachineLook& machine, const WaitLook& look) {
  if (!machine.drained_by.empty()) {
    return WaitReason{"drained",
                      fmt::format("worker {} takes no new runs: {} drained it", machine.worker,
                                  machine.drained_by),
                      "sarsweep worker undrain " + machine.worker};
  }
  if (machine.draining) {
    return WaitReason{"draining",
                      fmt::format("worker {} takes no new runs: it is draining", machine.worker),
                      "start it again: sarsweep worker"};
  }
  if (count_fitting(machine, look, /*free_alone=*/true) >= look.slots) return std::nullopt;
  if (auto resting = rest_of(machine, look)) return resting;
  return WaitReason{"busy",
                    fmt::format("worker {} has not {} free: {}", machine.worker, slots_wanted(look),
                                holders_of(machine)),
                    ""};
}

std::vector<WaitReason> reasons_in_queue(const WaitLook& look) {
  if (!look.held.empty()) {
    return {{"held", "its sweep is held: " + look.held, "sarsweep resume @" + look.sweep}};
  }
  if (!look.shortage.empty()) {
    return {{"no_space", "no run is started on a disk that is nearly full: " + look.shortage,
             "free some space: sarsweep gc"}};
  }
  std::vector<MachineLook> live;
  std::copy_if(look.machines.begin(), look.machines.end(), std::back_inserter(live),
               [](const MachineLook& machine) { return machine.live; });
  if (live.empty()) return {no_live_worker(look)};
  std::vector<WaitReason> reasons;
  std::int64_t most = 0;
  bool room = false;
  for (const MachineLook& machine : live) {
    const std::int64_t fitting = count_fitting(machine, look, /*free_alone=*/false);
    most = std::max(most, fitting);
    if (fitting < look.slots) continue;
    const std::optional<WaitReason> found = obstacle(machine, look);
    if (found) reasons.push_back(*found);
    room = room || !found;
  }
  if (most < look.slots) {
    const std::optional<WaitReason> memory = too_little_memory(look, live);
    return {memory ? *memory : too_small(look, most)};
  }
  if (look.ahead > 0) {
    const WaitReason ahead{"order",
                           fmt::format("{} queued run{} before it", look.ahead,
                                       look.ahead == 1 ? " stands" : "s stand"),
                           "resources.priority: high goes first"};
    reasons.insert(room ? reasons.begin() : reasons.end(), ahead);
  }
  if (room && look.ahead == 0) {
    reasons.insert(reasons.begin(),
                   {"next", "a slot is free and it is next: the worker asks within seconds", ""});
  }
  return reasons;
}

// Slurm jobs that would bring a worker, were they not waiting themselves.
std::vector<WaitReason> reasons_of_pools(const WaitLook& look) {
  std::vector<WaitReason> reasons;
  for (const WaitLook::Pool& pool : look.pools) {
    const std::string why = pool.reason.empty() ? "" : ": " + pool.reason;
    if (pool.paused) {
      reasons.push_back({"slurm", fmt::format("the Slurm pool {} is paused{}", pool.name, why),
                         "sarsweep slurm resume " + pool.name});
    } else if (pool.waiting > 0) {
      reasons.push_back(
          {"slurm",
           fmt::format("{} job{} of the Slurm pool {} wait{} in the cluster's queue{}",
                       pool.waiting, pool.waiting == 1 ? "" : "s", pool.name,
                       pool.waiting == 1 ? "s" : "", why),
           "sarsweep slurm ls"});
    }
  }
  return reasons;
}

std::vector<WaitReason> reasons_without_start(const WaitLook& look) {
  std::vector<WaitReason> reasons = reasons_in_queue(look);
  const std::string& first = reasons.front().code;
  if (first == "held" || first == "next" || first == "order") return reasons;
  const std::vector<WaitReason> pools = reasons_of_pools(look);
  reasons.insert(reasons.begin(), pools.begin(), pools.end());
  return reasons;
}

std::string progress_of(const WaitLook::Parent& parent) {
  if (!parent.total_steps) return std::string(to_string(parent.state));
  return fmt::format("{}, step {} of {}", to_string(parent.state), parent.step,
                     *parent.total_steps);
}

// What moves a parent on, or tells what does.
std::string cure_of(RunState state) {
  if (state == RunState::failed) return "sarsweep retry ";
  const bool stopped = state == RunState::paused || state == RunState::cancelled;
  return stopped ? "sarsweep resume " : "sarsweep why ";
}

WaitReason behind_study(const WaitLook& look) {
  const WaitLook::Study& study = *look.study;
  if (look.state == RunState::blocked) {
    return {"parent", look.reason, fmt::format("sarsweep ls @{}/{}", look.sweep, study.name)};
  }
  return {"parent",
          fmt::format("it starts from the best of the study {}, of which {} run{} to end",
                      study.name, study.left, study.left == 1 ? " has" : "s have"),
          study.next.empty() ? "" : "sarsweep why " + study.next};
}

WaitReason behind_parent(const WaitLook& look) {
  if (!look.parent && look.study) return behind_study(look);
  if (!look.parent) return {"parent", "it waits for its parent", ""};
  const WaitLook::Parent& parent = *look.parent;
  return {"parent", fmt::format("it starts from {}, which is {}", parent.name, progress_of(parent)),
          cure_of(parent.state) + parent.name};
}

std::string because(const std::string& reason) { return reason.empty() ? "" : ": " + reason; }

}  // namespace

std::vector<WaitReason> wait_reasons(const WaitLook& look) {
  const std::string state(to_string(look.state));
  switch (look.state) {
    case RunState::queued: return reasons_without_start(look);
    case RunState::waiting:
    case RunState::blocked: return {behind_parent(look)};
    case RunState::backoff:
      return {{"backoff",
               fmt::format("it tries again in {} s{}", look.seconds_left, because(look.reason)),
               "sarsweep logs " + look.name}};
    case RunState::leased:
      return {{"starting", fmt::format("worker {} is starting it", look.worker), ""}};
    case RunState::running:
      return {{"running", fmt::format("it waits for nothing: worker {} trains it", look.worker),
               "sarsweep watch " + look.name}};
    case RunState::pausing:
    case RunState::cancelling:
      return {{"stopping", fmt::format("worker {} saves and stops it", look.worker), ""}};
    case RunState::paused:
    case RunState::cancelled:
      return {{state, fmt::format("it is {}{}", state, because(look.reason)),
               "sarsweep resume " + look.name}};
    case RunState::failed:
      return {{state, "it failed" + because(look.reason),
               fmt::format("sarsweep logs {0}; sarsweep retry {0}", look.name)}};
    case RunState::done:
      return {{state, "it is done" + because(look.reason), "sarsweep show " + look.name}};
  }
  return {{state, "it is " + state, ""}};
}

}  // namespace sarsweep::coordinator
