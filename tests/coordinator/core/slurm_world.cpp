#include "tests/coordinator/core/slurm_world.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "coordinator/core/leasing.h"
#include "coordinator/core/reaper.h"
#include "coordinator/core/slurm_pools.h"
#include "coordinator/core/streams.h"
#include "coordinator/core/submit.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {
namespace {

constexpr double kStepSeconds = 15;
constexpr std::int64_t kIdleSteps = 4;
constexpr std::int64_t kLateSteps = 16;  // up to twice the time a lost job is looked for

bool is_there(const SlurmWorld::Job& job) {
  return job.state == "PENDING" || job.state == "RUNNING";
}

}  // namespace

SlurmWorld::SlurmWorld(unsigned seed, std::int64_t runs, std::int64_t max_jobs)
    : random_(seed), max_jobs_(max_jobs) {
  std::string name = (std::filesystem::temp_directory_path() / "sarsweep-slurm-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::internal, "mkdtemp failed");
  folder_ = name;
  sweep_.name = "demo";
  open();
  submit_runs(0, runs);
  SlurmPoolRequest request;
  request.name = "pool";
  request.max_jobs = max_jobs;
  request.time_limit_s = 3600;
  request.url = "http://h:1";
  request.token_file = "/t";
  add_slurm_pool(*core_, *this, request, "alice");
}

SlurmWorld::~SlurmWorld() {
  tender_.reset();
  core_.reset();
  std::filesystem::remove_all(folder_);
}

void SlurmWorld::open() {
  tender_.reset();
  core_.reset();
  const SweepLanguage language{[this](const SweepSource&) { return sweep_; },
                               [](const nlohmann::json&) {
                                 return nlohmann::json{{"name", "mini"}, {"hash", "p"}};
                               }};
  core_ =
      std::make_unique<Core>(CoordinatorOptions{.home = folder_, .store = {}}, clock_, language);
  tender_ = std::make_unique<SlurmTender>(*core_, *this, SlurmPatience{});
}

void SlurmWorld::submit_runs(std::int64_t from, std::int64_t count) {
  for (std::int64_t i = from; i < from + count; ++i) {
    sweep_.runs.push_back(planned(fmt::format("r{}", i)));
  }
  const SweepSource source{
      .text = "t", .file = "f.yaml", .dir = "", .cwd = "", .set = {}, .files = {}};
  submit_sweep(*core_, {source, "", "alice"}, nullptr);
}

void SlurmWorld::restart() { open(); }

SubmitOutcome SlurmWorld::submit(const JobOrder& order, const std::stop_token&) {
  ++submissions_;
  if (chance(faults.never)) return {"", "Socket timed out on send/recv operation"};
  const bool late = chance(faults.late_jobs);
  create(order, late ? now_ + 1 + static_cast<std::int64_t>(random_() % kLateSteps) : now_);
  if (chance(faults.doubles)) create(order, now_ + static_cast<std::int64_t>(random_() % 3));
  if (chance(faults.crashes)) throw Crash();
  if (late || chance(faults.lost_replies)) return {"", "sbatch did not answer in time"};
  return {std::to_string(jobs_.size()), ""};
}

void SlurmWorld::create(const JobOrder& order, std::int64_t appears_at) {
  Job job;
  job.id = std::to_string(jobs_.size() + 1);
  job.name = order.token;
  job.worker_name = order.worker_name;
  job.appears_at = appears_at;
  jobs_[job.id] = job;
}

QueueLook SlurmWorld::queue(const std::vector<std::string>& names, const std::stop_token&) {
  if (chance(faults.silence)) return {.answered = false, .trouble = "slurm_load_jobs error"};
  QueueLook look{.answered = true};
  for (const auto& [id, job] : jobs_) {
    const bool asked = std::find(names.begin(), names.end(), job.name) != names.end();
    if (!asked || job.appears_at > now_ || chance(faults.amnesia)) continue;
    look.jobs.push_back({.job_id = id, .name = job.name, .state = job.state});
  }
  return look;
}

std::string SlurmWorld::cancel(const std::string& job_id, Cancel how, const std::stop_token&) {
  Job& job = jobs_.at(job_id);
  if (!is_there(job)) return "Invalid job id specified";
  if (how == Cancel::running) {
    job.asked_to_leave = true;
  } else {
    job.state = "CANCELLED";
  }
  return {};
}

void SlurmWorld::step() {
  ++now_;
  clock_.advance(kStepSeconds);
  for (auto& [id, job] : jobs_) {
    if (job.appears_at <= now_ && is_there(job)) live(job);
  }
  reap(*core_);
  try {
    tender_->round({});
  } catch (const Crash&) {
    ++crashes_;
    restart();
  }
}

void SlurmWorld::live(Job& job) {
  if (job.state == "PENDING") {
    if (chance(40)) job.state = "RUNNING";
  } else if (chance(faults.deaths)) {
    job.state = "NODE_FAIL";
  } else if (!job.registered) {
    begin_worker(job);
  } else {
    work(job);
  }
}

void SlurmWorld::begin_worker(Job& job) {
  job.incarnation = "job-" + job.id;
  const RegisterReply reply = register_worker(*core_, {.name = job.worker_name,
                                                       .incarnation = job.incarnation,
                                                       .host = "node" + job.id,
                                                       .threads = 1,
                                                       .slots = {{0, "cpu"}},
                                                       .slurm_job = SlurmJob{job.name, job.id}});
  job.registered = true;
  job.dismissed = !reply.dismissed.empty();
  if (job.dismissed) job.state = "COMPLETED";
  job.worker_id = reply.worker_id;
}

// A worker that runs one run at a time, and leaves after it or when there is none.
void SlurmWorld::work(Job& job) {
  try {
    HeartbeatRequest beat{job.worker_id, job.incarnation, job.asked_to_leave, {}};
    if (job.run) beat.leases = {*job.run};
    heartbeat(*core_, beat);
    if (job.run && chance(50)) {
      finish(*core_, {.key = *job.run, .exit_code = 0, .reason = ""});
      job.run.reset();
      return leave(job);
    }
    if (job.run) return;
    if (job.asked_to_leave || ++job.idle > kIdleSteps) return leave(job);
    const LeaseReply reply =
        lease(*core_, {job.worker_id, job.incarnation, fmt::format("n{}", ++nonces_), {0}});
    if (!reply.grants.empty()) job.run = reply.grants.front().key;
  } catch (const Error&) {
    job.state = "COMPLETED";  // superseded or fenced: it ends
  }
}

void SlurmWorld::leave(Job& job) {
  coordinator::leave(*core_, job.worker_id, job.incarnation);
  job.state = "COMPLETED";
}

std::vector<SlurmJobRow> SlurmWorld::rows() {
  return core_->database.read([](Connection& c) {
    SlurmStore store(c);
    return store.jobs(store.pools().at(0).id);
  });
}

SlurmPoolRow SlurmWorld::pool_row() {
  return core_->database.read([](Connection& c) { return SlurmStore(c).pools().at(0); });
}

std::vector<const SlurmWorld::Job*> SlurmWorld::jobs_there() const {
  std::vector<const Job*> there;
  for (const auto& [id, job] : jobs_) {
    if (is_there(job)) there.push_back(&job);
  }
  return there;
}

std::int64_t SlurmWorld::runs_left() {
  return core_->database.read([](Connection& c) {
    const auto runs = RunStore(c).all();
    return std::count_if(runs.begin(), runs.end(),
                         [](const RunRow& run) { return run.state != RunState::done; });
  });
}

void SlurmWorld::check() {
  std::set<std::string> admitted;
  std::int64_t workers = 0;
  for (const Job* job : jobs_there()) {
    if (!job->registered || job->dismissed) continue;
    ++workers;
    EXPECT_TRUE(admitted.insert(job->name).second) << "two workers for " << job->name;
  }
  std::int64_t alive = 0;
  std::set<std::string> places;
  for (const SlurmJobRow& row : rows()) {
    if (!is_alive(row.state)) continue;
    ++alive;
    EXPECT_TRUE(places.insert(row.worker_name).second)
        << "two jobs in the place " << row.worker_name;
  }
  EXPECT_LE(alive, max_jobs_);
  EXPECT_LE(workers, max_jobs_) << "more workers than the pool may have";
}

}  // namespace sarsweep::coordinator
