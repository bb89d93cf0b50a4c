#include "coordinator/core/readiness.h"

#include <gtest/gtest.h>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::int64_t kTerabyte = 1'000'000'000'000;

TEST(Readiness, IsWhatTheDisksAllow) {
  const Disk ample{.free_bytes = kTerabyte / 2, .bytes = kTerabyte};
  EXPECT_TRUE(why_not_ready(Ground{.home = ample, .store = ample}).empty());
  const Disk full{.free_bytes = mark_of(Data::artifact, kTerabyte) - 1, .bytes = kTerabyte};
  const auto reasons = why_not_ready(Ground{.home = full, .store = Disk{}});
  ASSERT_EQ(reasons.size(), 2U);
  EXPECT_EQ(reasons[0], "999 MB free in the home folder");
  EXPECT_EQ(reasons[1], "the store folder cannot be reached");
}

TEST(Readiness, WhatMattersLessIsRefusedFirstOnLargeDisksAndSmall) {
  for (const std::int64_t bytes : {kTerabyte, std::int64_t{24'000'000}}) {
    EXPECT_GT(mark_of(Data::artifact, bytes), mark_of(Data::log, bytes));
    EXPECT_GT(mark_of(Data::log, bytes), mark_of(Data::metrics, bytes));
    EXPECT_GT(mark_of(Data::metrics, bytes), 0);
    EXPECT_LE(mark_of(Data::artifact, bytes), bytes / 10);
  }
}

TEST(Readiness, ACoordinatorOnSoundGroundIsReadyAndTellsItsSize) {
  Bench bench;
  EXPECT_TRUE(bench.core->why_not_ready().empty());
  const std::string metrics = bench.core->prometheus();
  EXPECT_NE(metrics.find("sarsweep_disk_free_bytes{folder=\"store\"} "), std::string::npos);
  EXPECT_EQ(metrics.find("sarsweep_database_bytes 0\n"), std::string::npos);
}

TEST(Readiness, AStoreThatHasGoneIsNamed) {
  Bench bench;
  std::filesystem::remove_all(bench.folder / "store");
  ASSERT_EQ(bench.core->why_not_ready().size(), 1U);
  EXPECT_EQ(bench.core->why_not_ready()[0], "the store folder cannot be reached");
}

}  // namespace
}  // namespace sarsweep::coordinator
