// NCCL behind the common interface, where there are GPUs: nccl_probe.cpp.
#include <gtest/gtest.h>

#include "tests/support/mpirun.h"
#include "tests/support/referee.h"

namespace sarsweep::tests {
namespace {

constexpr int kTooFewGpus = 77;

TEST(NcclRanks, SumInDeviceMemory) {
  const ProcessResult one = run_process({NCCL_PROBE});
  if (one.exit_code == kTooFewGpus) GTEST_SKIP() << "this machine has no GPU";
  EXPECT_EQ(one.exit_code, 0) << one.output;
  const auto pair = mpirun(2, {NCCL_PROBE});
  if (!pair) GTEST_SKIP() << "there is no mpirun on this machine";
  const ProcessResult two = run_process(*pair);
  if (two.exit_code == kTooFewGpus) GTEST_SKIP() << "this machine has one GPU: two ranks not tried";
  EXPECT_EQ(two.exit_code, 0) << two.output;
}

}  // namespace
}  // namespace sarsweep::tests
