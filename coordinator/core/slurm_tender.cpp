#include "coordinator/core/slurm_tender.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "coordinator/core/slurm_demand.h"
#include "coordinator/core/slurm_pools.h"
#include "coordinator/core/worker_look.h"
#include "schema/base/digest.h"

namespace sarsweep::coordinator {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr int kTokenBytes = 8;
constexpr double kFirstRest = 30;  // seconds without a submission after a job in vain, then doubled
constexpr double kLongestRest = 900;

JobLook::Worker worker_of(const Core& core, const SlurmJobRow& job,
                          const std::map<std::int64_t, WorkerRow>& workers) {
  if (!job.worker) return JobLook::Worker::none;
  const WorkerRow& worker = workers.at(*job.worker);
  if (worker.departed) return JobLook::Worker::left;
  return is_live(core, worker) ? JobLook::Worker::here : JobLook::Worker::silent;
}

bool same(const SlurmJobRow& a, const SlurmJobRow& b) {
  return a.state == b.state && a.job_id == b.job_id && a.worker == b.worker;
}

// The lowest of POOL-1, POOL-2, … that no job has that is alive.
std::string free_place(const SlurmPoolRow& pool, const std::vector<SlurmJobRow>& jobs) {
  std::set<std::string> taken;
  for (const SlurmJobRow& job : jobs) {
    if (is_alive(job.state)) taken.insert(job.worker_name);
  }
  for (int place = 1;; ++place) {
    std::string name = fmt::format("{}-{}", pool.name, place);
    if (!taken.contains(name)) return name;
  }
}

std::int64_t count_alive(const std::vector<SlurmJobRow>& jobs) {
  return std::count_if(jobs.begin(), jobs.end(),
                       [](const SlurmJobRow& job) { return is_alive(job.state); });
}

std::optional<SlurmPoolRow> find_pool(Connection& connection, std::int64_t id) {
  for (SlurmPoolRow& pool : SlurmStore(connection).pools()) {
    if (pool.id == id) return std::move(pool);
  }
  return std::nullopt;
}

}  // namespace

SlurmTender::SlurmTender(Core& core, Slurm& slurm, const SlurmPatience& patience)
    : core_(core), slurm_(slurm), begin_(core.clock.steady()), patience_(patience) {}

std::string SlurmTender::trouble() const {
  return trouble_.with([](const std::string& trouble) { return trouble; });
}

void SlurmTender::round(const std::stop_token& stop) {
  const bool any =
      core_.database.read([](Connection& c) { return !SlurmStore(c).pools().empty(); });
  if (!any) return;
  const QueueLook queue = look_at_queue(stop);
  std::vector<Pool> pools =
      core_.database.read([&](Connection& c) { return look_at_pools(c, queue); });
  const QueueLook history = look_at_history(pools, stop);
  for (Pool& pool : pools) {
    if (stop.stop_requested()) return;
    pool.look.queue = queue;
    pool.look.history = history;
    carry_out(pool, plan_pool(pool.look, patience_), stop);
  }
}

QueueLook SlurmTender::look_at_queue(const std::stop_token& stop) {
  std::vector<std::string> names;
  core_.database.read([&](Connection& c) {
    SlurmStore store(c);
    for (const SlurmPoolRow& pool : store.pools()) {
      for (const SlurmJobRow& job : store.jobs(pool.id)) {
        if (job.state != SlurmJobState::ended) names.push_back(job.token);
      }
    }
    return true;
  });
  QueueLook queue{.answered = true};
  const std::string absent = slurm_.why_absent();
  if (!absent.empty()) {
    queue = {.answered = false, .trouble = absent};
  } else if (!names.empty()) {
    queue = slurm_.queue(names, stop);
  }
  say(queue.trouble);
  return queue;
}

// Accounting is asked for what squeue does not show, and missed by nobody where there is none.
QueueLook SlurmTender::look_at_history(const std::vector<Pool>& pools,
                                       const std::stop_token& stop) {
  std::vector<std::string> names;
  for (const Pool& pool : pools) {
    for (const JobLook& job : pool.look.jobs) {
      const bool missed = is_alive(job.state) && job.worker != JobLook::Worker::here;
      if (missed && job.absent_s > 0) names.push_back(job.token);
    }
  }
  if (names.empty()) return {.answered = true};
  return slurm_.history(names, stop);
}

// The pools in the order in which they were added: a later one gets what the earlier leave over.
std::vector<SlurmTender::Pool> SlurmTender::look_at_pools(Connection& connection,
                                                          const QueueLook& queue) {
  std::vector<Pool> pools;
  std::vector<Candidate> runs = unserved(core_, connection);
  std::map<std::int64_t, Clock::TimePoint> before = std::exchange(absent_since_, {});
  for (SlurmPoolRow& row : SlurmStore(connection).pools()) {
    for (const SlurmJobRow& job : SlurmStore(connection).jobs(row.id)) {
      if (before.contains(job.id)) absent_since_[job.id] = before[job.id];
    }
    Pool pool = look_at_pool(connection, std::move(row), queue);
    const std::vector<Slot> shape =
        pool.row.slots ? parse_slots(*pool.row.slots) : std::vector<Slot>();
    const auto on_the_way =
        std::count_if(pool.look.jobs.begin(), pool.look.jobs.end(), [](const JobLook& job) {
          return is_alive(job.state) && job.worker == JobLook::Worker::none;
        });
    machines_for(runs, shape, on_the_way);
    if (pool.row.state == PoolState::active) {
      const std::int64_t room = pool.request.max_jobs - count_alive(pool.jobs);
      pool.look.wanted = machines_for(runs, shape, room);
    }
    pools.push_back(std::move(pool));
  }
  return pools;
}

SlurmTender::Pool SlurmTender::look_at_pool(Connection& connection, SlurmPoolRow row,
                                            const QueueLook& queue) {
  Pool pool{.row = std::move(row), .request = {}, .jobs = {}, .look = {}};
  pool.request = nlohmann::json::parse(pool.row.request).get<SlurmPoolRequest>();
  pool.jobs = SlurmStore(connection).jobs(pool.row.id);
  std::map<std::int64_t, WorkerRow> workers;
  for (WorkerRow& worker : WorkerStore(connection).all()) workers[worker.id] = std::move(worker);
  pool.look.state = pool.row.state;
  pool.look.max_jobs = pool.request.max_jobs;
  pool.look.failures = pool.row.failures;
  pool.look.resting = rests(pool.row);
  for (const SlurmJobRow& job : pool.jobs) {
    pool.look.jobs.push_back({.state = job.state,
                              .token = job.token,
                              .job_id = job.job_id,
                              .worker = worker_of(core_, job, workers),
                              .reason = job.reason,
                              .absent_s = absence(job, queue)});
  }
  return pool;
}

double SlurmTender::absence(const SlurmJobRow& job, const QueueLook& queue) {
  const bool seen =
      std::any_of(queue.jobs.begin(), queue.jobs.end(), [&](const Sighting& sighting) {
        return sighting.name == job.token && (job.job_id.empty() || sighting.job_id == job.job_id);
      });
  if (seen || !is_alive(job.state)) {
    absent_since_.erase(job.id);
    return 0;
  }
  if (!queue.answered) return 0;
  const auto now = core_.clock.steady();
  const auto since = absent_since_.try_emplace(job.id, now).first->second;
  return Seconds(now - since).count();
}

// Right after a start no worker has been heard yet, and every slot of theirs would be missed.
bool SlurmTender::rests(const SlurmPoolRow& pool) const {
  const auto now = core_.clock.steady();
  const auto until = rests_until_.find(pool.id);
  return Seconds(now - begin_).count() < core_.options.lease_s ||
         (until != rests_until_.end() && now < until->second);
}

void SlurmTender::carry_out(const Pool& pool, const PoolPlan& plan, const std::stop_token& stop) {
  core_.database.write(Urgency::state, [&](Connection& c) { note(c, pool, plan); });
  if (plan.in_vain > 0) {
    const double rest = std::min(
        kLongestRest, kFirstRest * static_cast<double>(1LL << std::min<std::int64_t>(
                                                           pool.look.failures, kMostFailures)));
    rests_until_[pool.row.id] = core_.after(rest);
  }
  for (const PoolPlan::Cancellation& cancellation : plan.cancellations) {
    spdlog::info("pool {}: cancels job {}", pool.row.name, cancellation.job_id);
    const std::string trouble = slurm_.cancel(cancellation.job_id, cancellation.how, stop);
    if (!trouble.empty()) spdlog::warn("pool {}: {}", pool.row.name, trouble);
  }
  for (std::int64_t i = 0; i < plan.submissions && !stop.stop_requested(); ++i) {
    if (!submit(pool, stop)) break;  // What one runs into, the next would.
  }
}

// Slurm took its time: what has changed meanwhile is judged again in the next round.
void SlurmTender::note(Connection& connection, const Pool& pool, const PoolPlan& plan) {
  SlurmStore store(connection);
  const std::optional<SlurmPoolRow> row = find_pool(connection, pool.row.id);
  if (!row) return;
  for (const PoolPlan::Change& change : plan.changes) {
    const SlurmJobRow& judged = pool.jobs[change.job];
    std::optional<SlurmJobRow> job = store.find_token(judged.token);
    if (!job || !same(*job, judged)) continue;
    job->state = change.to;
    job->job_id = change.job_id;
    job->reason = change.reason;
    if (!is_alive(change.to)) job->ended_ms = core_.now_ms();
    store.save(*job);
    spdlog::info("pool {}: job {} is {} {}", pool.row.name,
                 job->job_id.empty() ? job->token : job->job_id, to_string(job->state),
                 job->reason);
  }
  if (plan.in_vain > 0) store.set_failures(row->id, row->failures + plan.in_vain);
  if (!plan.pause.empty() && row->state == PoolState::active) {
    spdlog::warn("pool {} is paused: {}", row->name, plan.pause);
    store.set_state(row->id, PoolState::paused, plan.pause);
  }
  const bool over = plan.over && row->state == PoolState::removing;
  if (over && count_alive(store.jobs(row->id)) == 0) store.erase_pool(row->id);
}

bool SlurmTender::submit(const Pool& pool, const std::stop_token& stop) {
  write_script(core_, pool.request);
  const std::optional<SlurmJobRow> job = intend(pool);
  if (!job) return false;
  const JobOrder order = order_of(core_, pool.request, job->token, job->worker_name);
  const SubmitOutcome outcome = slurm_.submit(order, stop);
  note_reply(job->token, outcome);
  if (!outcome.job_id.empty()) {
    spdlog::info("pool {}: submitted job {} for {}", pool.row.name, outcome.job_id,
                 job->worker_name);
  } else {
    spdlog::warn("pool {}: whether {} was submitted is not known: {}", pool.row.name, job->token,
                 outcome.trouble);
  }
  return !outcome.job_id.empty();
}

// The row that stands before sbatch is run; nullopt where the pool has changed meanwhile.
std::optional<SlurmJobRow> SlurmTender::intend(const Pool& pool) {
  return core_.database.write(Urgency::state, [&](Connection& c) -> std::optional<SlurmJobRow> {
    SlurmStore store(c);
    const std::optional<SlurmPoolRow> row = find_pool(c, pool.row.id);
    const std::vector<SlurmJobRow> jobs = store.jobs(pool.row.id);
    if (!row || row->state != PoolState::active || count_alive(jobs) >= pool.request.max_jobs) {
      return std::nullopt;
    }
    SlurmJobRow job{.pool = row->id,
                    .token = "sarsweep-" + random_hex(kTokenBytes),
                    .worker_name = free_place(*row, jobs),
                    .created_ms = core_.now_ms()};
    job.id = store.add_job(job);
    return job;
  });
}

void SlurmTender::note_reply(const std::string& token, const SubmitOutcome& outcome) {
  core_.database.write(Urgency::state, [&](Connection& c) {
    SlurmStore store(c);
    std::optional<SlurmJobRow> job = store.find_token(token);
    // Its worker may have come before sbatch's reply.
    if (!job || job->state != SlurmJobState::submitting) return;
    if (!outcome.job_id.empty()) job->state = SlurmJobState::pending;
    job->job_id = outcome.job_id;
    job->reason = outcome.trouble;
    store.save(*job);
  });
}

void SlurmTender::say(const std::string& trouble) {
  const bool news =
      trouble_.with([&](std::string& known) { return std::exchange(known, trouble) != trouble; });
  if (news && !trouble.empty()) spdlog::warn("slurm: {}", trouble);
}

}  // namespace sarsweep::coordinator
