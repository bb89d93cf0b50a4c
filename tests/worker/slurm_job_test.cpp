// A worker inside of a Slurm job: what it knows of its end, and when it leaves.
#include "worker/slurm_job.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <map>

#include "schema/base/atomic_file.h"
#include "tests/worker/workplace.h"

namespace sarsweep::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class StillClock final : public Clock {
 public:
  TimePoint steady() const override { return TimePoint(seconds(100)); }
  std::int64_t unix_ms() const override { return 1'000'000'000; }
};

// The environment of a job, with an squeue that says what a test wants said.
class InJob : public testing::Test {
 protected:
  InJob() {
    for (const char* name : {"SLURM_JOB_ID", "SLURM_JOB_END_TIME", "PATH"}) {
      const char* value = getenv(name);
      if (value != nullptr) before_[name] = value;
      unsetenv(name);
    }
    setenv("PATH", (folder_.path().string() + ":/usr/bin:/bin").c_str(), 1);
  }
  ~InJob() override {
    for (const char* name : {"SLURM_JOB_ID", "SLURM_JOB_END_TIME", "PATH"}) {
      if (before_.contains(name)) {
        setenv(name, before_[name].c_str(), 1);
      } else {
        unsetenv(name);
      }
    }
  }
  void set_squeue(const std::string& script) {
    const auto file = folder_.path() / "squeue";
    std::ofstream(file) << "#!/bin/sh\n" << script << "\n";
    chmod(file.c_str(), 0755);
  }

  TempFolder folder_;
  StillClock clock_;

 private:
  std::map<std::string, std::string> before_;
};

TEST(SlurmTime, IsReadAsSqueuePrintsIt) {
  EXPECT_EQ(parse_slurm_time("1-02:03:04"), seconds(86400 + 2 * 3600 + 3 * 60 + 4));
  EXPECT_EQ(parse_slurm_time("02:03:04"), seconds(2 * 3600 + 3 * 60 + 4));
  EXPECT_EQ(parse_slurm_time("0:59"), seconds(59));
  for (const char* none : {"UNLIMITED", "INVALID", "NOT_SET", "", "59", ":", "1:", "1:2:3:4",
                           "1-2:3", "-1:00", "1:-1", "99999999999999999999:00", "1-", "1:2x"}) {
    EXPECT_EQ(parse_slurm_time(none), std::nullopt) << none;
  }
}

TEST(SlurmTime, RunsSaveATenthOfItBeforeTheEnd) {
  EXPECT_EQ(usual_save_time(seconds(3600)), seconds(360));
  EXPECT_EQ(usual_save_time(seconds(1'000'000)), seconds(600));
  EXPECT_EQ(usual_save_time(seconds(120)), seconds(30));
  EXPECT_EQ(usual_save_time(seconds(20)), seconds(10));
}

TEST_F(InJob, OutsideOfOneNobodyIsAsked) {
  set_squeue("echo 10:00");
  EXPECT_EQ(slurm_time_left(clock_), std::nullopt);
}

TEST_F(InJob, TheEndComesFromTheEnvironmentElseFromSqueue) {
  setenv("SLURM_JOB_ID", "12", 1);
  set_squeue("[ \"$*\" = '--noheader --jobs=12 --format=%L' ] && echo '   1:00:00'");
  EXPECT_EQ(slurm_time_left(clock_), seconds(3600));
  setenv("SLURM_JOB_END_TIME", "1000600", 1);
  EXPECT_EQ(slurm_time_left(clock_), seconds(600));
  setenv("SLURM_JOB_END_TIME", "999000", 1);
  EXPECT_EQ(slurm_time_left(clock_), seconds(0));
}

TEST_F(InJob, AnSqueueThatFailsSaysNothing) {
  setenv("SLURM_JOB_ID", "12", 1);
  set_squeue("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1");
  EXPECT_EQ(slurm_time_left(clock_), std::nullopt);
  set_squeue("echo UNLIMITED");
  EXPECT_EQ(slurm_time_left(clock_), std::nullopt);
}

TEST(Agent, SavesAndLeavesBeforeItsTimeIsOver) {
  Workplace work;
  auto options = work.options();
  options.time_left = milliseconds(3000);
  work.coordinator.queue("7", {{"behaviour", "hang"}});
  work.start(options);
  work.await_end();
  ASSERT_TRUE(work.coordinator.attempt("7").finish);
  EXPECT_EQ(work.coordinator.attempt("7").finish->exit_code, 143);
  EXPECT_TRUE(work.coordinator.attempt("7").finish->draining);
  EXPECT_TRUE(work.coordinator.left());
}

TEST(Agent, LeavesAfterItsIdleTimeAlone) {
  Workplace work;
  auto options = work.options();
  options.idle_timeout = milliseconds(1500);
  const auto go = work.folder.path() / "go";
  work.coordinator.queue("7", {{"steps", 5}, {"wait_for", go.string()}});
  work.start(options);
  ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(work.coordinator.await(
      [&] { return std::chrono::steady_clock::now() - begin > 2 * *options.idle_timeout; }));
  EXPECT_FALSE(work.coordinator.left()) << "a worker that trains is not idle";
  write_file_atomically(go, "");
  work.await_end();
  EXPECT_EQ(work.coordinator.attempt("7").finish->exit_code, 0);
  EXPECT_TRUE(work.coordinator.left());
}

TEST(Agent, LeavesAfterItsIdleTimeWithoutACoordinator) {
  Workplace work;
  auto options = work.options();
  options.idle_timeout = milliseconds(100);
  work.coordinator.set_away(true);
  work.start(options);
  work.await_end();
  EXPECT_FALSE(work.coordinator.left());
}

TEST(Agent, EndsAtOnceWhereItsJobIsNotNeeded) {
  Workplace work;
  auto options = work.options();
  options.slurm_job = SlurmJob{"token", "12"};
  work.coordinator.dismissed = "job 11 has its place";
  work.coordinator.queue("7", {{"steps", 5}});
  work.start(options);
  work.await_end();
  EXPECT_EQ(work.coordinator.last_register.slurm_job->token, "token");
  EXPECT_EQ(work.coordinator.last_register.slurm_job->job_id, "12");
  EXPECT_EQ(work.coordinator.grants(), 0);
  EXPECT_FALSE(work.coordinator.left());
}

}  // namespace
}  // namespace sarsweep::worker
