#include "trainer/core/schedule/lr_schedule.h"

#include <gtest/gtest.h>

namespace sarsweep::trainer {
namespace {

TEST(LrSchedule, ConstantIsOneWithoutWarmup) {
  const LrSchedule schedule;
  EXPECT_DOUBLE_EQ(schedule.multiplier(0), 1);
  EXPECT_DOUBLE_EQ(schedule.multiplier(1'000'000), 1);
}

TEST(LrSchedule, WarmupBeginsAtZeroAndReachesOneAfterItsUpdates) {
  const LrSchedule schedule{LrShape::constant, 4, 10};
  EXPECT_DOUBLE_EQ(schedule.multiplier(0), 0);
  EXPECT_DOUBLE_EQ(schedule.multiplier(1), 0.25);
  EXPECT_DOUBLE_EQ(schedule.multiplier(4), 1);
}

TEST(LrSchedule, LinearFallsToZeroAtTheEnd) {
  const LrSchedule schedule{LrShape::linear, 2, 12};
  EXPECT_DOUBLE_EQ(schedule.multiplier(2), 1);
  EXPECT_DOUBLE_EQ(schedule.multiplier(7), 0.5);
  EXPECT_DOUBLE_EQ(schedule.multiplier(12), 0);
  EXPECT_DOUBLE_EQ(schedule.multiplier(20), 0);
}

TEST(LrSchedule, CosineIsHalfWayInTheMiddle) {
  const LrSchedule schedule{LrShape::cosine, 0, 10};
  EXPECT_DOUBLE_EQ(schedule.multiplier(0), 1);
  EXPECT_NEAR(schedule.multiplier(5), 0.5, 1e-15);
  EXPECT_NEAR(schedule.multiplier(10), 0, 1e-15);
}

}  // namespace
}  // namespace sarsweep::trainer
