// The MPI communicator between real processes, which ranks_probe.cpp are.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/support/mpirun.h"
#include "tests/support/referee.h"
#include "tests/support/trainer_process.h"

namespace sarsweep::tests {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// From a rank's loss to the job's end, mpirun's own killing included.
constexpr std::chrono::seconds kMostToEnd{15};

class MpiRanks : public testing::Test {
 protected:
  void SetUp() override {
    if (!mpirun(1, {})) GTEST_SKIP() << "there is no mpirun on this machine";
  }
  static std::vector<std::string> probe(int ranks, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), RANKS_PROBE);
    return *mpirun(ranks, arguments);
  }
  // What `number` to the process of rank `busy` makes of the job of two; its exit code.
  int lose(int busy, int number) {
    const fs::path file = folder_ / fmt::format("pid-{}-{}", busy, number);
    RunningProcess job(probe(2, {"wait", std::to_string(busy), file.string()}));
    pid_t pid = 0;
    if (job.wait_until([&] { return fs::exists(file); })) std::ifstream(file) >> pid;
    EXPECT_GT(pid, 0);
    if (pid <= 0) return -1;
    const Clock::time_point lost = Clock::now();
    ::kill(pid, number);
    const int code = job.wait();
    EXPECT_LT(Clock::now() - lost, kMostToEnd);
    expect_gone(pid, lost);
    return code;
  }
  static void expect_gone(pid_t pid, Clock::time_point since) {
    while (::kill(pid, 0) == 0 && Clock::now() - since < kMostToEnd) std::this_thread::yield();
    EXPECT_NE(::kill(pid, 0), 0) << "the lost rank is still there";
  }
  TemporaryFolder folder_;
};

TEST_F(MpiRanks, KeepEveryPromiseOfTheCommunicator) {
  for (const int ranks : {1, 2, 3, 5}) {
    const ProcessResult result = run_process(probe(ranks));
    EXPECT_EQ(result.exit_code, 0) << ranks << " ranks: " << result.output;
  }
}

TEST_F(MpiRanks, LearnWhyOneOfThemLeft) {
  for (const int culprit : {0, 2}) {
    const ProcessResult result = run_process(probe(3, {"fault", std::to_string(culprit)}));
    EXPECT_EQ(result.exit_code, 78) << result.output;
    EXPECT_EQ(result.output.find("not kept"), std::string::npos) << result.output;
    if (culprit == 0) continue;
    EXPECT_NE(result.output.find("rank 2 of 3: no such picture"), std::string::npos);
  }
}

TEST_F(MpiRanks, EndWithinFifteenSecondsWhenOneIsStopped) {
  EXPECT_EQ(lose(1, SIGSTOP), 75);
  EXPECT_EQ(lose(0, SIGSTOP), 75);
}

TEST_F(MpiRanks, EndWhenOneOfThemLivesAndGetsNoFurther) {
  for (const int stuck : {0, 1}) {
    const fs::path file = folder_ / fmt::format("stuck-{}", stuck);
    const Clock::time_point begun = Clock::now();
    const ProcessResult result =
        run_process(probe(3, {"hang", std::to_string(stuck), file.string()}));
    EXPECT_EQ(result.exit_code, 75) << result.output;
    EXPECT_NE(result.output.find(fmt::format("rank {} of 3: it got no further", stuck)),
              std::string::npos)
        << result.output;
    pid_t pid = 0;
    std::ifstream(file) >> pid;
    ASSERT_GT(pid, 0);
    expect_gone(pid, begun);
  }
}

TEST_F(MpiRanks, EndWithinFifteenSecondsWhenOneIsKilled) {
  const int code = lose(1, SIGKILL);  // mpirun's own code, or that of a rank that was quicker
  EXPECT_TRUE(code == 128 + SIGKILL || code == 75) << code;
}

TEST(SingleProcess, NeedsNoMpi) {
  // mpirun did not start it: nothing may be loaded, even if the module is not there.
  const ProcessResult result = run_process({RANKS_PROBE});
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

}  // namespace
}  // namespace sarsweep::tests
