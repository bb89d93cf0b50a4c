#include "trainer/core/schedule/draws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace sarsweep::trainer {
namespace {

TEST(Draws, PermutationHoldsEveryPositionOnce) {
  for (const std::int64_t n : {0, 1, 2, 1000}) {
    const auto order = permutation(3, 0, n);
    const std::set<std::int64_t> distinct(order.begin(), order.end());
    EXPECT_EQ(static_cast<std::int64_t>(order.size()), n);
    EXPECT_EQ(static_cast<std::int64_t>(distinct.size()), n);
    if (n == 0) continue;
    EXPECT_EQ(*distinct.begin(), 0);
    EXPECT_EQ(*distinct.rbegin(), n - 1);
  }
}

TEST(Draws, EpochsAndSeedsAreOrderedDifferently) {
  EXPECT_EQ(permutation(3, 1, 100), permutation(3, 1, 100));
  EXPECT_NE(permutation(3, 1, 100), permutation(3, 2, 100));
  EXPECT_NE(permutation(3, 1, 100), permutation(4, 1, 100));
}

TEST(Draws, EachPositionOfAThreePermutationIsEquallyLikely) {
  std::array<int, 3> first{};
  constexpr int kEpochs = 30'000;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    ++first[static_cast<std::size_t>(permutation(1, static_cast<std::uint64_t>(epoch), 3)[0])];
  }
  for (const int count : first) EXPECT_NEAR(count, kEpochs / 3, 5 * std::sqrt(kEpochs * 2.0 / 9));
}

TEST(Draws, AShareOfTheTimestepsIsLate) {
  constexpr int kSamples = 20'000;
  std::array<int, 4> counts{};  // below 75, below 150, below 575, the rest
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const std::int64_t t = SampleDraws(7, i).timestep(0.4, 150);
    ASSERT_TRUE(t >= 0 && t < 1000) << t;
    ++counts[t < 75 ? 0 : t < 150 ? 1 : t < 575 ? 2 : 3];
    EXPECT_LT(SampleDraws(7, i).timestep(1.0, 150), 150);
    EXPECT_GE(SampleDraws(7, i).timestep(0.0, 150), 150);
    EXPECT_EQ(SampleDraws(7, i).timestep(0.0, 1000), SampleDraws(7, i).timestep());
    EXPECT_EQ(SampleDraws(7, i).timestep(0.25, 250), SampleDraws(7, i).timestep());
  }
  const std::array<double, 4> shares = {0.2, 0.2, 0.3, 0.3};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    EXPECT_NEAR(counts[i], kSamples * shares[i], 5 * std::sqrt(kSamples * shares[i])) << i;
  }
}

TEST(Draws, TimestepsAreUniform) {
  constexpr int kSamples = 100'000;
  double sum = 0;
  std::int64_t least = 999, most = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const std::int64_t t = SampleDraws(7, i).timestep();
    sum += static_cast<double>(t);
    least = std::min(least, t);
    most = std::max(most, t);
  }
  EXPECT_EQ(least, 0);
  EXPECT_EQ(most, 999);
  EXPECT_NEAR(sum / kSamples, 499.5, 5 * 288.7 / std::sqrt(kSamples));
}

TEST(Draws, PurposesOfOneSampleAreIndependent) {
  const SampleDraws draws(7, 5);
  std::array<float, 4> noise{}, offset{}, posterior{};
  draws.fill_noise(noise);
  draws.fill_offset(offset);
  draws.fill_posterior(posterior);
  EXPECT_NE(noise, offset);
  EXPECT_NE(noise, posterior);
  EXPECT_NE(offset, posterior);
}

TEST(Draws, CaptionsAreDroppedAtTheGivenRate) {
  constexpr int kSamples = 20'000;
  int dropped = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    dropped += SampleDraws(7, i).caption_dropped(0.1) ? 1 : 0;
    EXPECT_FALSE(SampleDraws(7, i).caption_dropped(0));
    EXPECT_TRUE(SampleDraws(7, i).caption_dropped(1));
  }
  EXPECT_NEAR(dropped, kSamples * 0.1, 5 * std::sqrt(kSamples * 0.09));
}

}  // namespace
}  // namespace sarsweep::trainer
