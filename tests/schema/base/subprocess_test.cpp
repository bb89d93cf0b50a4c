#include "schema/base/subprocess.h"

#include <gtest/gtest.h>

namespace sarsweep {
namespace {

TEST(Subprocess, FindsProgramsOnThePath) {
  EXPECT_EQ(find_program("sh").filename(), "sh");
  EXPECT_TRUE(find_program("sh").is_absolute());
  EXPECT_TRUE(find_program("no-such-program-at-all").empty());
}

}  // namespace
}  // namespace sarsweep
