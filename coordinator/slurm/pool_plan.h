#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/slurm/slurm.h"
#include "schema/protocol/slurm_state.h"

// What to do about a pool. Pure: a look in, decisions out.
namespace sarsweep::coordinator {

// How long what cannot be seen is waited for, in seconds.
struct SlurmPatience {
  double doubt_s = 120;   // sbatch's reply was lost: until the job counts as never submitted
  double vanish_s = 330;  // squeue no longer shows the job: SlurmdTimeout, and the worker's lease
};

// The jobs in a row that may come to nothing before the pool is paused.
inline constexpr std::int64_t kMostFailures = 5;
// Submissions of a pool in one round.
inline constexpr std::int64_t kMostSubmissions = 20;

struct JobLook {
  // Whether a worker was admitted for the job, and what became of it.
  enum class Worker { none, here, silent, left };

  SlurmJobState state = SlurmJobState::submitting;
  std::string token;
  std::string job_id = {};  // empty: not known
  Worker worker = Worker::none;
  std::string reason = {};
  double absent_s = 0;  // since the first of the looks, up to this one, that did not show it
};

struct PoolLook {
  PoolState state = PoolState::active;
  std::int64_t max_jobs = 1;
  std::int64_t failures = 0;  // jobs in a row that came to nothing
  std::int64_t wanted = 0;    // more jobs that the queue could use, without regard to max_jobs
  bool resting = false;       // nothing may be submitted yet
  std::vector<JobLook> jobs = {};
  QueueLook queue = {};    // what squeue shows
  QueueLook history = {};  // what sacct says of the jobs that squeue does not show
};

struct PoolPlan {
  struct Change {
    std::size_t job = 0;  // place in PoolLook::jobs
    SlurmJobState to = SlurmJobState::ended;
    std::string job_id = {};
    std::string reason = {};
  };
  struct Cancellation {
    std::string job_id;
    Cancel how = Cancel::waiting;
  };
  std::vector<Change> changes;
  std::vector<Cancellation> cancellations;
  std::int64_t in_vain = 0;  // of the changes: jobs that ended before a worker came
  std::int64_t submissions = 0;
  std::string pause;  // why the pool pauses; empty: it does not
  bool over = false;  // it was to be removed, and its last job has ended
};

// - A job that is not seen has not ended: its worker may be alive, squeue may forget. It counts as
//   ended once Slurm says so, or once its worker has left, or after `vanish_s`.
// - A job whose sbatch got no reply is looked for by its name for `doubt_s`; as long as one is in
//   doubt the pool submits no other.
// - Of two jobs with one name the pool keeps the one whose worker came, else the first.
// - Without an answer from squeue nothing is submitted and nothing counts as ended.
PoolPlan plan_pool(const PoolLook& look, const SlurmPatience& patience);

}  // namespace sarsweep::coordinator
