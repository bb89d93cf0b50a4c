#include "coordinator/slurm/pool_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string_view>

namespace sarsweep::coordinator {
namespace {

using Worker = JobLook::Worker;

enum class Phase { waiting, running, over };

// A state this program has not heard of is taken for running: the job may hold a node.
Phase phase_of(const std::string& state) {
  static constexpr std::array<std::string_view, 7> kWaiting = {
      "PENDING",      "CONFIGURING",  "REQUEUED",     "REQUEUE_FED",
      "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"};
  static constexpr std::array<std::string_view, 10> kOver = {
      "COMPLETED", "CANCELLED", "FAILED",   "TIMEOUT",       "NODE_FAIL",
      "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "REVOKED"};
  if (std::find(kWaiting.begin(), kWaiting.end(), state) != kWaiting.end()) return Phase::waiting;
  if (std::find(kOver.begin(), kOver.end(), state) != kOver.end()) return Phase::over;
  return Phase::running;
}

// Ends that say nothing about the pool: a person or the cluster took the job away.
bool was_taken_away(const std::string& state) {
  return state == "CANCELLED" || state == "PREEMPTED" || state == "NODE_FAIL" || state == "REVOKED";
}

// Jobs that are there before those that have ended, the first submitted before the later.
bool comes_before(const Sighting& a, const Sighting& b) {
  const bool a_over = phase_of(a.state) == Phase::over;
  const bool b_over = phase_of(b.state) == Phase::over;
  if (a_over != b_over) return b_over;
  if (a.job_id.size() != b.job_id.size()) return a.job_id.size() < b.job_id.size();
  return a.job_id < b.job_id;
}

std::vector<Sighting> named(const QueueLook& look, const std::string& name) {
  std::vector<Sighting> found;
  std::copy_if(look.jobs.begin(), look.jobs.end(), std::back_inserter(found),
               [&](const Sighting& job) { return job.name == name; });
  std::sort(found.begin(), found.end(), comes_before);
  return found;
}

// The job itself among those of its name.
std::optional<Sighting> own_of(const JobLook& job, const std::vector<Sighting>& sightings) {
  for (const Sighting& sighting : sightings) {
    if (job.job_id.empty() || sighting.job_id == job.job_id) return sighting;
  }
  return std::nullopt;
}

PoolPlan::Cancellation cancellation_of(const Sighting& job) {
  return {job.job_id, phase_of(job.state) == Phase::waiting ? Cancel::waiting : Cancel::running};
}

class Planner {
 public:
  Planner(const PoolLook& look, const SlurmPatience& patience) : look_(look), patience_(patience) {}

  PoolPlan plan() {
    for (std::size_t i = 0; i < look_.jobs.size(); ++i) {
      const JobLook& job = look_.jobs[i];
      if (is_alive(job.state)) judge(i);
      // Found after all, when another has its place.
      if (job.state == SlurmJobState::lost) cancel_all_but(std::nullopt, job);
    }
    decide();
    return plan_;
  }

 private:
  void judge(std::size_t index) {
    const JobLook& job = look_.jobs[index];
    std::optional<Sighting> own = own_of(job, named(look_.queue, job.token));
    cancel_all_but(own, job);
    if (!own) own = end_in_history(job);
    if (own) {
      follow(index, *own);
    } else if (look_.queue.answered && job.worker != Worker::here) {
      miss(index);
    } else {
      keep(job);
    }
  }

  // What the accounting calls alive may be a record that was never closed: only ends count.
  std::optional<Sighting> end_in_history(const JobLook& job) const {
    if (!look_.queue.answered || job.worker == Worker::here) return std::nullopt;
    const std::optional<Sighting> found = own_of(job, named(look_.history, job.token));
    if (!found || phase_of(found->state) != Phase::over) return std::nullopt;
    return found;
  }

  void cancel_all_but(const std::optional<Sighting>& own, const JobLook& job) {
    for (const Sighting& other : named(look_.queue, job.token)) {
      const bool is_own = own && other.job_id == own->job_id;
      if (is_own || phase_of(other.state) == Phase::over) continue;
      plan_.cancellations.push_back(cancellation_of(other));
    }
  }

  void follow(std::size_t index, const Sighting& seen) {
    const JobLook& job = look_.jobs[index];
    if (phase_of(seen.state) == Phase::over) return end(index, seen.job_id, seen.state);
    const bool waits = phase_of(seen.state) == Phase::waiting;
    const SlurmJobState to = waits ? SlurmJobState::pending : SlurmJobState::running;
    const std::string reason = waits ? seen.reason : "";
    if (to != job.state || seen.job_id != job.job_id || reason != job.reason) {
      plan_.changes.push_back({.job = index, .to = to, .job_id = seen.job_id, .reason = reason});
    }
    ++alive_;
    if (look_.state == PoolState::removing) plan_.cancellations.push_back(cancellation_of(seen));
  }

  void miss(std::size_t index) {
    const JobLook& job = look_.jobs[index];
    if (job.state == SlurmJobState::submitting) {
      if (job.absent_s < patience_.doubt_s) return keep(job);
      const std::string why = job.reason.empty() ? "sbatch's reply was lost" : job.reason;
      plan_.changes.push_back({.job = index, .to = SlurmJobState::lost, .reason = why});
      return count_in_vain(why);
    }
    if (job.worker == Worker::left) return end(index, job.job_id, "its worker left");
    if (job.absent_s < patience_.vanish_s) return keep(job);
    end(index, job.job_id, "Slurm no longer knows it");
  }

  void end(std::size_t index, const std::string& job_id, const std::string& reason) {
    plan_.changes.push_back(
        {.job = index, .to = SlurmJobState::ended, .job_id = job_id, .reason = reason});
    const bool came = look_.jobs[index].worker != Worker::none;
    if (!came && !was_taken_away(reason)) count_in_vain("job " + job_id + ": " + reason);
  }

  void count_in_vain(const std::string& what) {
    ++plan_.in_vain;
    newest_ = what;
  }

  void keep(const JobLook& job) {
    ++alive_;
    doubtful_ = doubtful_ || job.state == SlurmJobState::submitting;
  }

  void decide() {
    plan_.over = look_.state == PoolState::removing && alive_ == 0;
    if (look_.state != PoolState::active) return;
    const std::int64_t failures = look_.failures + plan_.in_vain;
    if (plan_.in_vain > 0 && failures >= kMostFailures) {
      plan_.pause =
          fmt::format("{} jobs in a row came to nothing; the newest: {}", failures, newest_);
      return;
    }
    const bool ready = look_.queue.answered && !look_.resting && !doubtful_ && plan_.in_vain == 0;
    if (!ready) return;
    plan_.submissions = std::clamp<std::int64_t>(look_.max_jobs - alive_, 0,
                                                 std::min(look_.wanted, kMostSubmissions));
  }

  const PoolLook& look_;
  const SlurmPatience& patience_;
  PoolPlan plan_;
  std::int64_t alive_ = 0;
  bool doubtful_ = false;  // there is a job of which it is not known whether it was submitted
  std::string newest_;     // of what came to nothing
};

}  // namespace

PoolPlan plan_pool(const PoolLook& look, const SlurmPatience& patience) {
  return Planner(look, patience).plan();
}

}  // namespace sarsweep::coordinator
