#include "schema/base/subprocess.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <string>
#include <vector>

#include "schema/base/atomic_file.h"
#include "tests/support/temp_dir.h"

namespace sarsweep {
namespace {

TEST(Subprocess, FindsProgramsOnThePath) {
  EXPECT_EQ(find_program("sh").filename(), "sh");
  EXPECT_TRUE(find_program("sh").is_absolute());
  EXPECT_TRUE(find_program("no-such-program-at-all").empty());
}

TEST(Subprocess, AChildHearsOfEverySignalButThoseThatAreBlocked) {
  const testing::TempDir folder;
  const auto blocked = [&](std::vector<int> signals) {
    const auto file = folder.path() / std::to_string(signals.size());
    const pid_t child = spawn({.command = {"/bin/grep", "SigBlk", "/proc/self/status"},
                               .environment = {},
                               .output = file,
                               .errors = {},
                               .blocked = std::move(signals)});
    int status = 0;
    waitpid(child, &status, 0);
    return read_file(file);
  };
  EXPECT_EQ(blocked({}), "SigBlk:\t0000000000000000\n");
  EXPECT_EQ(blocked({SIGTERM}), "SigBlk:\t0000000000004000\n");
}

}  // namespace
}  // namespace sarsweep
