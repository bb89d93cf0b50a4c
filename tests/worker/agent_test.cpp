#include "worker/agent.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "tests/worker/workplace.h"
#include "worker/machine.h"
#include "worker/process_table.h"

namespace sarsweep::worker {
namespace {

using nlohmann::json;

TEST(Agent, TrainsShipsAndReportsAGrant) {
  Workplace work;
  work.coordinator.wanted_artifacts = {
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"};
  work.coordinator.queue("7", {{"steps", 50}, {"behaviour", "sample"}});
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  work.drain();
  const auto attempt = work.coordinator.attempt("7");
  EXPECT_EQ(attempt.finish->exit_code, 0);
  EXPECT_EQ(attempt.finish->signal, 0);
  EXPECT_EQ(attempt.finish->reason, "finished");
  EXPECT_TRUE(attempt.started);
  EXPECT_EQ(attempt.events, read_file(work.run_dir("7") / "events.jsonl"));
  EXPECT_EQ(attempt.log, "on cpu with 2 threads\ndone, and a last line without its end");
  const auto stored = work.coordinator.artifacts();
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_EQ(stored.begin()->first, stored.begin()->second);
  EXPECT_FALSE(std::filesystem::exists(work.record("7")));
  EXPECT_TRUE(work.coordinator.left());
}

// One variable of this process's environment, as it was again at the end.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Variable() { set(before_ ? before_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) const {
    if (value == nullptr) {
      unsetenv(name_);
    } else {
      setenv(name_, value, 1);
    }
  }
  const char* name_;
  std::optional<std::string> before_;
};

std::string log_of_a_run() {
  Workplace work;
  work.coordinator.queue("7", {{"steps", 1}, {"behaviour", "environment"}});
  work.start();
  EXPECT_TRUE(work.coordinator.await_finish("7"));
  work.drain();
  return work.coordinator.attempt("7").log;
}

TEST(Agent, ATrainersThreadsSoonYieldTheCoreTheyWaitOnUnlessSomebodyDecidedOtherwise) {
  const Variable policy("OMP_WAIT_POLICY", nullptr);
  const Variable spins("GOMP_SPINCOUNT", nullptr);
  EXPECT_NE(log_of_a_run().find("GOMP_SPINCOUNT=1000\n"), std::string::npos);
  const Variable decided("OMP_WAIT_POLICY", "active");
  EXPECT_NE(log_of_a_run().find("GOMP_SPINCOUNT=\n"), std::string::npos);
  const Variable counted("GOMP_SPINCOUNT", "5");
  EXPECT_NE(log_of_a_run().find("GOMP_SPINCOUNT=5\n"), std::string::npos);
}

TEST(Agent, LosesAndDoublesNothingWhenRepliesAreLost) {
  Workplace work;
  for (const char* run : {"1", "2", "3"}) work.coordinator.queue(run, {{"steps", 200}});
  work.coordinator.lose_replies(3);
  work.start(work.options(2));
  for (const char* run : {"1", "2", "3"}) {
    ASSERT_TRUE(work.coordinator.await_finish(run));
    EXPECT_EQ(work.coordinator.attempt(run).events, read_file(work.run_dir(run) / "events.jsonl"));
    EXPECT_EQ(work.coordinator.attempt(run).log, read_file(work.run_dir(run) / "trainer.log"));
  }
  EXPECT_EQ(work.coordinator.grants(), 3);
}

TEST(Agent, TrainsOnWhileTheCoordinatorIsAway) {
  Workplace work;
  const auto go = work.folder.path() / "go";
  work.coordinator.queue("7", {{"steps", 5}, {"wait_for", go.string()}});
  work.start();
  ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  work.coordinator.set_away(true);
  write_file_atomically(go, "");
  ASSERT_TRUE(work.coordinator.await([&] {
    return read_file(work.run_dir("7") / "events.jsonl").find("finished") != std::string::npos;
  }));
  work.coordinator.set_away(false);
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->exit_code, 0);
  EXPECT_EQ(work.coordinator.attempt("7").events, read_file(work.run_dir("7") / "events.jsonl"));
}

TEST(Agent, AsksTrainersToSaveWhenTheCoordinatorStaysAway) {
  Workplace work;
  auto options = work.options();
  options.max_offline = std::chrono::minutes(0);
  work.coordinator.queue("7", {{"behaviour", "hang"}});
  work.start(options);
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->exit_code, 143);
  EXPECT_TRUE(work.coordinator.attempt("7").finish->draining);
}

TEST(Agent, PauseAndCancelLetTheTrainerSaveFirst) {
  for (const Order order : {Order::pause, Order::cancel}) {
    Workplace work;
    work.coordinator.queue("7", {{"behaviour", "hang"}});
    work.start();
    ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
    work.coordinator.set_order("7", order);
    ASSERT_TRUE(work.coordinator.await_finish("7"));
    const auto attempt = work.coordinator.attempt("7");
    EXPECT_EQ(attempt.finish->exit_code, 143);
    EXPECT_FALSE(attempt.finish->draining);
    EXPECT_NE(attempt.events.find("\"checkpoint\""), std::string::npos);
  }
}

TEST(Agent, SavesAndStopsWhenTheWalltimeIsOver) {
  Workplace work;
  work.coordinator.queue("7", {{"behaviour", "hang"}}, 1, "1s");
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  const auto attempt = work.coordinator.attempt("7");
  EXPECT_EQ(attempt.finish->exit_code, 143);
  EXPECT_TRUE(attempt.finish->draining);
  EXPECT_TRUE(attempt.finish->walltime);
  EXPECT_NE(attempt.events.find("\"checkpoint\""), std::string::npos);
}

TEST(Agent, AWalltimeThatIsNotOverChangesNothing) {
  Workplace work;
  work.coordinator.queue("7", {{"steps", 2}}, 1, "1h");
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->exit_code, 0);
  EXPECT_FALSE(work.coordinator.attempt("7").finish->walltime);
}

TEST(Agent, AnOrderToDrainSavesOnTheWorkersAccountAndTheWorkerStays) {
  Workplace work;
  work.coordinator.queue("7", {{"behaviour", "hang"}});
  work.start();
  ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  work.coordinator.set_order("7", Order::drain);
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  const auto attempt = work.coordinator.attempt("7");
  EXPECT_EQ(attempt.finish->exit_code, 143);
  EXPECT_TRUE(attempt.finish->draining);
  EXPECT_FALSE(attempt.finish->walltime);
  EXPECT_NE(attempt.events.find("\"checkpoint\""), std::string::npos);
  work.coordinator.queue("8", {{"steps", 1}});
  EXPECT_TRUE(work.coordinator.await_finish("8")) << "the coordinator alone grants it nothing";
}

// GPUs whose memory the test fills and frees.
class FakeGpus final : public GpuProbe {
 public:
  GpuLook look() override {
    const std::int64_t used = in_use_.with([](std::int64_t bytes) { return bytes; });
    return {GpuMemory{std::int64_t{80} << 30, used}};
  }
  void use(std::int64_t gib) {
    in_use_.with([gib](std::int64_t& bytes) { bytes = gib << 30; });
  }

 private:
  Guarded<std::int64_t> in_use_{0};
};

TEST(Agent, AGpuRestsUntilItsMemoryIsSeenFree) {
  FakeGpus gpus;
  Workplace work;
  AgentOptions options = work.options();
  options.slots = {{0, "cuda:0", std::int64_t{80} << 30}};
  options.gpus = &gpus;
  work.coordinator.queue("7", {{"behaviour", "hang"}});
  work.coordinator.queue("8", {{"steps", 1}});
  work.start(options);
  ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  gpus.use(12);
  work.coordinator.set_order("7", Order::pause);
  ASSERT_TRUE(work.coordinator.await([&] { return !work.coordinator.resting().empty(); }));
  EXPECT_EQ(work.coordinator.resting()[0].reason, "12 GiB of its 80 GiB are in use");
  EXPECT_EQ(work.coordinator.grants(), 1);
  gpus.use(0);
  EXPECT_TRUE(work.coordinator.await_finish("8"));
  EXPECT_TRUE(work.coordinator.await([&] { return work.coordinator.resting().empty(); }));
}

TEST(Agent, KillsATrainerThatIgnoresItsGrace) {
  Workplace work;
  work.coordinator.queue("7", {{"behaviour", "ignore_sigterm"}});
  work.start();
  ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  work.coordinator.set_order("7", Order::pause);
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->signal, SIGKILL);
}

TEST(Agent, KillEndsEvenAGrandchildInItsOwnSession) {
  Workplace work;
  auto options = work.options();
  options.patience.stop_grace = std::chrono::hours(1);
  work.coordinator.queue("7", {{"behaviour", "grandchild"}, {"wait_for", "/nonexistent/never"}});
  work.start(options);
  ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  ASSERT_TRUE(work.coordinator.await([&] {
    const auto file = work.run_dir("7") / "grandchild.pid";
    return std::filesystem::exists(file) && !read_file(file).empty();
  }));
  const ProcessIdentity grandchild =
      identify(std::stoi(read_file(work.run_dir("7") / "grandchild.pid")));
  EXPECT_TRUE(is_alive(grandchild));
  work.coordinator.set_order("7", Order::kill);
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_FALSE(is_alive(grandchild));
  EXPECT_EQ(work.coordinator.attempt("7").finish->signal, SIGKILL);
}

TEST(Agent, FencedMeansNoMoreWritesAndNoTrainer) {
  Workplace work;
  work.coordinator.queue("7", {{"behaviour", "ignore_sigterm"}});
  work.start();
  ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  work.coordinator.set_order("7", Order::fenced);
  ASSERT_TRUE(work.coordinator.await([&] { return !std::filesystem::exists(work.record("7")); }));
  EXPECT_FALSE(work.coordinator.attempt("7").finish.has_value());
  EXPECT_TRUE(std::filesystem::exists(work.run_dir("7") / "events.jsonl"));
}

TEST(Agent, ReportsACrashAndVoidsTheHalfLine) {
  Workplace work;
  work.coordinator.queue("7", {{"steps", 2}, {"behaviour", "crash"}});
  work.coordinator.queue("8", {{"steps", 2}, {"behaviour", "half_line"}});
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->signal, SIGABRT);
  ASSERT_TRUE(work.coordinator.await_finish("8"));
  const auto attempt = work.coordinator.attempt("8");
  EXPECT_EQ(static_cast<std::int64_t>(attempt.events.size()), attempt.finish->event_bytes);
  EXPECT_EQ(attempt.events.back(), '\n');
}

TEST(Agent, DrainSavesReportsAndLeaves) {
  Workplace work;
  work.coordinator.queue("7", {{"behaviour", "hang"}});
  work.start();
  ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  work.drain();
  ASSERT_TRUE(work.coordinator.attempt("7").finish.has_value());
  EXPECT_EQ(work.coordinator.attempt("7").finish->exit_code, 143);
  EXPECT_TRUE(work.coordinator.attempt("7").finish->draining);
  EXPECT_TRUE(work.coordinator.left());
}

TEST(Agent, DrainWithoutACoordinatorLeavesTheReportToTheNextStart) {
  Workplace work;
  work.coordinator.queue("7", {{"behaviour", "hang"}});
  work.start();
  ASSERT_TRUE(work.await_file(work.run_dir("7") / "trained"));
  work.coordinator.set_away(true);
  work.drain();
  EXPECT_TRUE(std::filesystem::exists(work.record("7")));
  work.coordinator.set_away(false);
  work.start();
  ASSERT_TRUE(work.coordinator.await_finish("7"));
  EXPECT_EQ(work.coordinator.attempt("7").finish->exit_code, 143);
  EXPECT_EQ(work.coordinator.attempt("7").finishes, 1);
}

TEST(Agent, RefusesASecondProcessOfItsName) {
  Workplace work;
  work.start();
  EXPECT_THROW(Agent(work.options(), work.coordinator, system_clock()), Error);
}

// Stands in for mpirun: notes its words, starts the command once, hands SIGUSR2 on, kills on
// SIGTERM and ends with the command's code, or 128 + the signal that ended it.
constexpr const char* kMpirun = R"(#!/bin/sh
echo "$@ shares=$OMPI_MCA_osc_sm_backing_directory" > "$0.words"
while [ "$1" != -n ]; do shift; done
shift 2
"$@" & child=$!
trap 'kill -USR2 $child' USR2
trap 'kill -KILL $child' TERM
wait $child; code=$?
while kill -0 $child 2>/dev/null; do wait $child; code=$?; done
exit $code
)";

class Ranks : public testing::Test {
 protected:
  Ranks() {
    write_file_atomically(mpirun_, kMpirun);
    std::filesystem::permissions(mpirun_, std::filesystem::perms::owner_all);
  }
  void start() {
    auto options = work_.options(2);
    options.mpirun = mpirun_;
    work_.start(options);
  }

  Workplace work_;
  std::filesystem::path mpirun_ = work_.folder.path() / "mpirun";
};

TEST_F(Ranks, ARunOfTwoSlotsIsStartedByMpirun) {
  work_.coordinator.queue("7", {{"steps", 5}}, 2);
  start();
  ASSERT_TRUE(work_.coordinator.await_finish("7"));
  EXPECT_EQ(work_.coordinator.attempt("7").finish->exit_code, 0);
  EXPECT_EQ(work_.coordinator.attempt("7").log.substr(0, 24), "on cpu with 4 threads\ndo");
  const std::string words = read_file(mpirun_.string() + ".words");
  EXPECT_NE(words.find("-n 2 "), std::string::npos);
  EXPECT_NE(words.find("shares=" + work_.run_dir("7").string()), std::string::npos) << words;
  const json run = json::parse(read_file(work_.run_dir("7") / "run.json"));
  EXPECT_EQ(run["devices"], json::array({"cpu", "cpu"}));
}

TEST_F(Ranks, AreAskedToSaveThroughMpirun) {
  work_.coordinator.queue("7", {{"behaviour", "hang"}}, 2);
  start();
  ASSERT_TRUE(work_.await_file(work_.run_dir("7") / "trained"));
  work_.coordinator.set_order("7", Order::pause);
  ASSERT_TRUE(work_.coordinator.await_finish("7"));
  EXPECT_EQ(work_.coordinator.attempt("7").finish->exit_code, 143);
  EXPECT_NE(work_.coordinator.attempt("7").events.find("\"checkpoint\""), std::string::npos);
}

TEST_F(Ranks, ARankThatASignalEndedIsNoFaultOfTheRun) {
  work_.coordinator.queue("7", {{"steps", 2}, {"behaviour", "crash"}}, 2);
  start();
  ASSERT_TRUE(work_.coordinator.await_finish("7"));
  EXPECT_EQ(work_.coordinator.attempt("7").finish->signal, SIGABRT);
  EXPECT_EQ(work_.coordinator.attempt("7").finish->exit_code, 128 + SIGABRT);
}

TEST_F(Ranks, WithoutMpirunTheRunEndsWithASentence) {
  work_.coordinator.queue("7", {{"steps", 2}}, 2);
  work_.start(work_.options(2));
  ASSERT_TRUE(work_.coordinator.await_finish("7"));
  EXPECT_EQ(work_.coordinator.attempt("7").finish->exit_code, 75);
  EXPECT_EQ(work_.coordinator.attempt("7").finish->reason,
            "run name-7 has 2 slots, and no mpirun is on the worker's PATH to start them; install "
            "Open MPI");
}

TEST(Machine, OffersASlotForEachGpuElseOneForTheCpu) {
  TempFolder dev;
  EXPECT_EQ(choose_slots(std::nullopt, count_gpus(dev.path())).front().device, "cpu");
  for (const char* node : {"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia"}) {
    write_file_atomically(dev.path() / node, "");
  }
  const auto slots = choose_slots(std::nullopt, count_gpus(dev.path()));
  ASSERT_EQ(slots.size(), 2U);
  EXPECT_EQ(slots[1].device, "cuda:1");
  EXPECT_EQ(choose_slots(3, 2).size(), 3U);
  EXPECT_THROW(choose_slots(0, 0), Error);
}

TEST(Machine, LeavesOutTheGpusThatAreOthers) {
  EXPECT_EQ(visible_gpus(8, nullptr), 8);
  EXPECT_EQ(visible_gpus(8, "3"), 1);
  EXPECT_EQ(visible_gpus(8, "0,2,GPU-8f3e"), 3);
  EXPECT_EQ(visible_gpus(1, "0,1"), 1);
  EXPECT_EQ(visible_gpus(8, "0,-1,2"), 1);
  EXPECT_EQ(visible_gpus(8, ""), 0);
  EXPECT_EQ(visible_gpus(8, "NoDevFiles"), 0);
}

}  // namespace
}  // namespace sarsweep::worker
