// Simulated studies whose truth is known, in small; script/soak statistics has the full counts. Of
// 60 intervals of 95 %, fewer than 82 % hold the truth once in 10,000 times.
#include "tests/statistics/coverage.h"

#include <gtest/gtest.h>

namespace sarsweep::statistics {
namespace {

constexpr std::uint64_t kStudies = 60;

WorldOptions small_world(std::vector<std::string> metrics) {
  return {.per_label = 10, .judged = 2'000, .metrics = std::move(metrics)};
}

void expect_covered(const Coverage& coverage) {
  for (const auto& [key, tally] : coverage) {
    EXPECT_EQ(tally.intervals, kStudies);
    EXPECT_GE(tally.share(), 0.82) << key.first << ", " << key.second << " seeds";
  }
}

TEST(Coverage, OfBiasedAndSkewedMetricsIsWhatItSays) {
  const World world(small_world({"kl_label_mean", "saturation_generated"}));
  expect_covered(cover(world, Truths(world), 0, kStudies, false).means);
}

TEST(Coverage, OfDifferencesIsWhatItSays) {
  const World world(small_world({"contrast", "clip_rank"}));
  const CoverageResult result = cover(world, Truths(world), 0, kStudies, true);
  expect_covered(result.means);
  expect_covered(result.differences);
}

TEST(Coverage, EqualCellsTie) {
  for (const auto& [key, tally] : tie(small_world({"contrast"}), 0, kStudies)) {
    const auto n = static_cast<double>(tally.studies);
    EXPECT_GE(static_cast<double>(tally.tied), 0.82 * n) << key.second << " seeds";
    EXPECT_GE(static_cast<double>(tally.alone), 0.82 * n) << key.second << " seeds";
    EXPECT_LE(static_cast<double>(tally.significant), 0.18 * n) << key.second << " seeds";
  }
}

}  // namespace
}  // namespace sarsweep::statistics
