#include "schema/base/command.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <thread>

#include "schema/base/error.h"

namespace sarsweep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

CommandOutcome shell(const std::string& script, milliseconds limit = seconds(60),
                     const std::stop_token& stop = {}) {
  return run_command({find_program("sh").string(), "-c", script}, limit, stop);
}

// Not a zombie either, that nobody has collected yet.
bool is_alive(const std::string& pid) {
  std::ifstream stat("/proc/" + pid + "/stat");
  std::string line;
  std::getline(stat, line);
  const std::size_t name_ends = line.rfind(") ");
  return name_ends != std::string::npos && line[name_ends + 2] != 'Z';
}

TEST(Command, TellsWhatWasSaidAndHowItEnded) {
  const CommandOutcome outcome = shell("echo said; echo complained >&2; exit 3");
  EXPECT_EQ(outcome.output, "said\n");
  EXPECT_EQ(outcome.errors, "complained\n");
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.status->code, 3);
  EXPECT_FALSE(outcome.succeeded());
  EXPECT_TRUE(shell("true").succeeded());
}

TEST(Command, ThatTakesTooLongIsKilledWithWhatItStarted) {
  const CommandOutcome outcome = shell("sleep 1000 & echo $!; wait", milliseconds(500));
  EXPECT_FALSE(outcome.status);
  const std::string grandchild = first_line(outcome.output);
  ASSERT_FALSE(grandchild.empty());
  const auto end = std::chrono::steady_clock::now() + seconds(20);
  while (is_alive(grandchild) && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_FALSE(is_alive(grandchild)) << "a child of the killed command lives";
}

TEST(Command, IsNotHeldUpByWhatItLeavesRunning) {
  const CommandOutcome outcome = shell("sleep 1000 & echo $!");
  EXPECT_TRUE(outcome.succeeded());
  ASSERT_FALSE(outcome.output.empty());
  EXPECT_EQ(kill(std::stoi(outcome.output), SIGKILL), 0);
}

TEST(Command, EndsAtAStop) {
  std::stop_source source;
  source.request_stop();
  EXPECT_FALSE(shell("sleep 1000", seconds(900), source.get_token()).status);
}

TEST(Command, ThatDoesNotExistIsAnError) {
  EXPECT_THROW(run_command({"/no/such/program"}, seconds(1)), Error);
}

TEST(Command, AMessageQuotesItsFirstLine) {
  EXPECT_EQ(first_line("\n  sbatch: error: no such partition \r\nmore\n"),
            "sbatch: error: no such partition");
  EXPECT_EQ(first_line(" \n"), "");
  EXPECT_EQ(first_line("one"), "one");
}

}  // namespace
}  // namespace sarsweep
