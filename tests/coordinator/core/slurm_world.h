#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "coordinator/core/core.h"
#include "coordinator/core/slurm_tender.h"
#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {

// The coordinator dies between two of its statements.
struct Crash {};

// A Slurm in memory whose replies get lost, and whose jobs become workers of a real coordinator.
// Faults are switched on by tests.
class SlurmWorld final : public Slurm {
 public:
  struct Faults {
    int lost_replies = 0, late_jobs = 0, doubles = 0, never = 0, crashes = 0;  // % of submissions
    int silence = 0;  // % of looks that get no answer
    int amnesia = 0;  // % of jobs that a look leaves out
    int deaths = 0;   // % of running jobs that a step ends
  };
  struct Job {
    std::string id, name, worker_name, state = "PENDING";
    std::int64_t appears_at = 0;  // the step
    std::string worker_id, incarnation;
    bool registered = false, dismissed = false;
    std::optional<LeaseKey> run;
    std::int64_t idle = 0;
    bool asked_to_leave = false;
  };

  SlurmWorld(unsigned seed, std::int64_t runs, std::int64_t max_jobs);
  ~SlurmWorld() override;

  // Time passes, jobs begin and end, workers work, the coordinator has one round.
  void step();
  void restart();  // of the coordinator
  // What must hold at any time.
  void check();
  std::int64_t runs_left();
  std::int64_t submissions() const { return submissions_; }
  std::int64_t crashes() const { return crashes_; }
  std::vector<SlurmJobRow> rows();
  SlurmPoolRow pool_row();
  std::vector<const Job*> jobs_there() const;  // at Slurm, waiting or running
  Core& core() { return *core_; }
  void submit_runs(std::int64_t from, std::int64_t count);

  // ---- Slurm ----
  std::string why_absent() const override { return {}; }
  std::string why_refused(const JobOrder&) override { return {}; }
  SubmitOutcome submit(const JobOrder& order, const std::stop_token& stop) override;
  QueueLook queue(const std::vector<std::string>& names, const std::stop_token& stop) override;
  QueueLook history(const std::vector<std::string>&, const std::stop_token&) override {
    return {.answered = false, .trouble = "Slurm accounting storage is disabled"};
  }
  std::string cancel(const std::string& job_id, Cancel how, const std::stop_token& stop) override;

  Faults faults;

 private:
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  void create(const JobOrder& order, std::int64_t appears_at);
  void open();
  void live(Job& job);
  void begin_worker(Job& job);
  void work(Job& job);
  void leave(Job& job);

  std::filesystem::path folder_;
  std::mt19937 random_;
  FakeClock clock_;
  ExpandedSweep sweep_;
  std::unique_ptr<Core> core_;
  std::unique_ptr<SlurmTender> tender_;
  std::map<std::string, Job> jobs_;  // by id
  std::int64_t now_ = 0, submissions_ = 0, crashes_ = 0, nonces_ = 0, max_jobs_ = 0;
};

}  // namespace sarsweep::coordinator
