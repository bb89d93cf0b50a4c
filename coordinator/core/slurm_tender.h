#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "coordinator/core/core.h"
#include "coordinator/slurm/pool_plan.h"
#include "coordinator/slurm/slurm.h"
#include "coordinator/store/slurm_store.h"
#include "schema/base/guarded.h"
#include "schema/protocol/messages.h"

namespace sarsweep::coordinator {

// Keeps the Slurm jobs of the pools. Everything it has to remember over a crash stands in the
// database before Slurm is asked: a job's row and name before its sbatch. What it only measures,
// such as how long a job has not been seen, begins anew with the process. Not thread-safe but for
// `trouble`: one thread's own, for Slurm may take its time.
class SlurmTender {
 public:
  SlurmTender(Core& core, Slurm& slurm, const SlurmPatience& patience);

  // One round: looks at the jobs, notes what became of them, cancels what is too many, submits what
  // the queue has work for. Does nothing where there is no pool.
  void round(const std::stop_token& stop);

  // Why Slurm did not answer at the last look; empty: it did. From any thread.
  std::string trouble() const;

 private:
  struct Pool {
    SlurmPoolRow row;
    SlurmPoolRequest request;
    std::vector<SlurmJobRow> jobs;
    PoolLook look;
  };

  QueueLook look_at_queue(const std::stop_token& stop);
  QueueLook look_at_history(const std::vector<Pool>& pools, const std::stop_token& stop);
  std::vector<Pool> look_at_pools(Connection& connection, const QueueLook& queue);
  Pool look_at_pool(Connection& connection, SlurmPoolRow row, const QueueLook& queue);
  double absence(const SlurmJobRow& job, const QueueLook& queue);
  bool rests(const SlurmPoolRow& pool) const;

  void carry_out(const Pool& pool, const PoolPlan& plan, const std::stop_token& stop);
  void note(Connection& connection, const Pool& pool, const PoolPlan& plan);
  bool submit(const Pool& pool, const std::stop_token& stop);
  std::optional<SlurmJobRow> intend(const Pool& pool);
  void note_reply(const std::string& token, const SubmitOutcome& outcome);
  void say(const std::string& trouble);

  Core& core_;
  Slurm& slurm_;
  const Clock::TimePoint begin_;
  const SlurmPatience patience_;
  std::map<std::int64_t, Clock::TimePoint> absent_since_;  // by the job's row
  std::map<std::int64_t, Clock::TimePoint> rests_until_;   // by the pool's row
  Guarded<std::string> trouble_;
};

}  // namespace sarsweep::coordinator
