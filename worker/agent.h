#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "schema/base/clock.h"
#include "schema/base/guarded.h"
#include "worker/attempt_record.h"
#include "worker/backoff.h"
#include "worker/coordinator_api.h"
#include "worker/gpu_memory.h"
#include "worker/held_run.h"
#include "worker/resting_slots.h"
#include "worker/wakeup.h"

namespace sarsweep::worker {

struct AgentOptions {
  std::string name;               // letters, digits, '.', '_', '-'
  std::filesystem::path home;     // the worker's own folder is <home>/worker-NAME
  std::filesystem::path trainer;  // the program
  std::filesystem::path mpirun;   // for runs with several slots; empty: there is none
  std::vector<Slot> slots;
  GpuProbe* gpus = nullptr;  // outlives the agent; nullptr: nobody can tell their memory
  int threads = 1;           // CPU threads a slot may use
  Patience patience;
  std::chrono::milliseconds ship_every{1000};
  std::chrono::milliseconds retry_first{250};
  std::chrono::milliseconds retry_cap{15'000};
  std::chrono::milliseconds drain_patience{30'000};
  std::chrono::minutes max_offline{15};    // then trainers are asked to save and stop
  std::optional<SlurmJob> slurm_job = {};  // that a pool asked for, and this process is
  // From the construction on, after which it drains and leaves; absent: at a stop alone.
  std::optional<std::chrono::milliseconds> time_left = {};
  std::optional<std::chrono::milliseconds> idle_timeout = {};  // leaves after it without a run
};

// Holds <home>/worker-NAME for one process. Throws Error(conflict) where another one has it.
class WorkerLock {
 public:
  explicit WorkerLock(const std::filesystem::path& folder);
  ~WorkerLock();
  WorkerLock(const WorkerLock&) = delete;
  WorkerLock& operator=(const WorkerLock&) = delete;

 private:
  int descriptor_ = -1;
};

// The worker: takes over what an earlier process left, registers, leases runs for its free slots,
// beats its heart and passes orders on. Threads: the caller's (leases), the heartbeat, and two for
// each run (HeldRun, Supervisor). A coordinator that is away stops nothing for `max_offline`.
class Agent {
 public:
  // Throws Error(invalid) for a name or trainer it cannot use, Error(conflict) where another
  // process holds this worker's folder.
  Agent(AgentOptions options, CoordinatorApi& api, const Clock& clock);
  ~Agent();

  // Works until `stop`, its time is over, it has been idle for too long or the coordinator does not
  // need it; then drains: trainers save and stop, everything is shipped and reported, the worker
  // leaves. Throws Error(unauthorized, forbidden or invalid) where the coordinator does
  // not want this worker at its first registration; trainers found then are left to the next start.
  void run(const std::stop_token& stop);

  // Names of the runs at hand, in order of arrival; for tests and logs.
  std::vector<std::string> held() const;

 private:
  using Runs = std::vector<std::shared_ptr<HeldRun>>;

  // Why there is nothing more to do here, or empty. The lease loop's own.
  std::string reason_to_leave();
  std::chrono::milliseconds until_leaving() const;
  void adopt();
  void join(const std::stop_token& stop);
  ApiResult<Nothing> register_once();
  void drain();
  std::chrono::milliseconds lease_once();
  void take(const Grant& grant);
  void hear_of_drain(const std::string& drained_by);
  std::chrono::milliseconds lease_failed(const ApiFailure& failure);
  std::chrono::milliseconds heartbeat_interval() const;
  void beat_until(const std::stop_token& stop);
  bool beat();
  void go_offline_if_due();
  void drop_finished();
  std::vector<int> free_slots() const;
  std::vector<RestingSlot> resting() const;
  Placement placement_for(const Grant& grant) const;
  Runs runs() const;

  const AgentOptions options_;
  CoordinatorApi& api_;
  const Clock& clock_;
  const std::string incarnation_;
  WorkerLock lock_;
  AttemptFolder records_;
  Wakeup wakeup_;  // the lease loop's
  Wakeup heart_;   // the heartbeat's
  RunSurroundings surroundings_;
  RestingSlots resting_;
  Backoff backoff_;         // the lease loop's own
  std::string nonce_;       // the lease loop's own: of the request whose answer has not come yet
  std::string drained_by_;  // the lease loop's own: who wants no runs here, as last heard
  const Clock::TimePoint begin_;
  Clock::TimePoint last_busy_;  // the lease loop's own: when it last had a run
  struct Membership {
    RegisterReply reply;
    bool registered = false;
    bool draining = false;
    std::string dismissed;  // why the coordinator does not need this process; empty: it does
    Clock::TimePoint last_contact;
  };
  Guarded<Membership> membership_;
  Guarded<Runs> runs_;
};

}  // namespace sarsweep::worker
