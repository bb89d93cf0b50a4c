// A worker process that is killed with SIGKILL, and the one that comes after it.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schema/base/atomic_file.h"
#include "tests/worker/workplace.h"
#include "worker/process_table.h"
#include "worker/run_folder.h"

namespace sarsweep::worker {
namespace {

using nlohmann::json;

// Runs a worker in a process of its own, with a coordinator that only it sees, until the trainer of
// run 7 has trained; then SIGKILL. Returns what was left behind.
AttemptRecord kill_a_worker(Workplace& work, const json& fake) {
  const pid_t child = fork();
  if (child == 0) {
    FakeCoordinator coordinator((work.folder.path() / "store").string());
    coordinator.queue("7", fake);
    Agent agent(work.options(), coordinator, system_clock());
    agent.run({});
    _exit(1);
  }
  EXPECT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  const AttemptFolder records(work.folder.path() / "home" / "worker-w" / "attempts");
  AttemptRecord left;
  EXPECT_TRUE(work.coordinator.await([&] {
    const auto all = records.load();
    if (all.empty() || !all.front().process) return false;
    left = all.front();
    return true;
  }));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return left;
}

TEST(WorkerRestart, AdoptsTheLivingTrainerAndReportsItsEnd) {
  Workplace work;
  const auto go = work.folder.path() / "go";
  const AttemptRecord left = kill_a_worker(work, {{"steps", 20}, {"wait_for", go.string()}});
  ASSERT_TRUE(is_alive(*left.process));
  work.coordinator.grant_before("7");
  work.start();
  ASSERT_TRUE(
      work.coordinator.await([&] { return !work.coordinator.attempt("7").events.empty(); }));
  EXPECT_TRUE(is_alive(*left.process));
  write_file_atomically(go, "");
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  const auto attempt = work.coordinator.attempt("7");
  EXPECT_EQ(attempt.finish->exit_code, 0);
  EXPECT_EQ(attempt.finish->reason, "finished");
  EXPECT_EQ(attempt.events, read_file(work.run_dir("7") / "events.jsonl"));
  EXPECT_EQ(work.coordinator.grants(), 0);
}

TEST(WorkerRestart, TheWalltimeCountsFromTheTrainersStart) {
  Workplace work;
  AttemptRecord left = kill_a_worker(work, {{"behaviour", "hang"}});
  left.walltime = std::chrono::seconds(0);
  AttemptFolder(work.folder.path() / "home" / "worker-w" / "attempts").save(left);
  work.coordinator.grant_before("7");
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->exit_code, 143);
  EXPECT_TRUE(work.coordinator.attempt("7").finish->walltime);
}

TEST(WorkerRestart, KillsTheTrainerWhoseRunWasGivenAway) {
  Workplace work;
  const AttemptRecord left = kill_a_worker(work, {{"behaviour", "ignore_sigterm"}});
  ASSERT_TRUE(is_alive(*left.process));
  work.coordinator.grant_before("7");
  work.coordinator.set_order("7", Order::fenced);
  work.start();
  ASSERT_TRUE(work.coordinator.await([&] { return !is_alive(*left.process); }));
  ASSERT_TRUE(work.coordinator.await([&] { return !std::filesystem::exists(work.record("7")); }));
  EXPECT_FALSE(work.coordinator.attempt("7").finish.has_value());
}

TEST(WorkerRestart, BelievesTheEndEventOfATrainerNobodyWatched) {
  Workplace work;
  const auto go = work.folder.path() / "go";
  const AttemptRecord left = kill_a_worker(work, {{"steps", 4}, {"wait_for", go.string()}});
  write_file_atomically(go, "");
  ASSERT_TRUE(work.coordinator.await([&] { return !is_alive(*left.process); }));
  work.coordinator.grant_before("7");
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->exit_code, 0);
}

TEST(WorkerRestart, CallsATrainerThatVanishedLost) {
  Workplace work;
  const AttemptRecord left = kill_a_worker(work, {{"behaviour", "hang"}});
  kill(left.process->pid, SIGKILL);
  ASSERT_TRUE(work.coordinator.await([&] { return !is_alive(*left.process); }));
  work.coordinator.grant_before("7");
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->signal, SIGKILL);
}

TEST(WorkerRestart, LeavesAProcessOfAnotherBootAlone) {
  Workplace work;
  const AttemptFolder records(work.folder.path() / "home" / "worker-w" / "attempts");
  AttemptRecord record{
      {"7", 1, "token-7"}, "seven",           {0}, work.run_dir("7"), "SARSWEEP_ATTEMPT=none",
      std::nullopt,        identify(getpid())};
  record.process->boot_id = "another";
  records.save(record);
  work.coordinator.grant_before("7");
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->signal, SIGKILL);
}

TEST(WorkerRestart, FindsWhatWasStartedJustBeforeTheRecordCouldSayWho) {
  Workplace work;
  AttemptRecord left = kill_a_worker(work, {{"behaviour", "ignore_sigterm"}});
  const ProcessIdentity trainer = *left.process;
  left.process.reset();
  AttemptFolder(work.folder.path() / "home" / "worker-w" / "attempts").save(left);
  work.coordinator.grant_before("7");
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_FALSE(is_alive(trainer));
}

TEST(RunFolder, RefusesARunIdThatPointsElsewhere) {
  for (const char* id : {"..", "a/b", "", "/etc"}) {
    EXPECT_THROW(run_dir_of("/store", {id, 1, "t"}), Error) << id;
  }
  EXPECT_EQ(run_dir_of("/store", {"7", 3, "t"}), "/store/runs/7/e3");
}

}  // namespace
}  // namespace sarsweep::worker
