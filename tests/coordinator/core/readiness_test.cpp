#include "coordinator/core/readiness.h"

#include <gtest/gtest.h>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

TEST(Readiness, IsWhatTheDisksAllow) {
  EXPECT_TRUE(why_not_ready(Ground{.home_bytes = kNoSpace, .store_bytes = kNoSpace}).empty());
  const auto full = why_not_ready(Ground{.home_bytes = kNoSpace - 1, .store_bytes = -1});
  ASSERT_EQ(full.size(), 2U);
  EXPECT_EQ(full[0], "99 MB free in the home folder");
  EXPECT_EQ(full[1], "the store folder cannot be reached");
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
