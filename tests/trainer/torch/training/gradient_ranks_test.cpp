// Gradients summed over real processes, which gradients_probe.cpp are.
#include <gtest/gtest.h>

#include "tests/support/mpirun.h"
#include "tests/support/referee.h"

namespace sarsweep::tests {
namespace {

TEST(GradientSumOfRanks, IsTheSameBytesInBucketsOfAnySize) {
  const auto ranks = mpirun(3, {GRADIENTS_PROBE});
  if (!ranks) GTEST_SKIP() << "there is no mpirun on this machine";
  const ProcessResult result = run_process(*ranks);
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

}  // namespace
}  // namespace sarsweep::tests
