#include "coordinator/stats/ranks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "coordinator/stats/probability.h"
#include "schema/base/philox.h"

namespace sarsweep::stats {
namespace {

// One seed, whose images' noise is independent of the others'.
Contender one_seed(double mean, double deviation, std::size_t which, std::size_t of) {
  Contender out{.mean = mean, .seeds = {0}, .runs = {}};
  out.runs.values = {mean};
  out.runs.noise.emplace_back(of).at(which) = static_cast<float>(deviation);
  return out;
}

std::vector<Rank> ranked(const std::vector<Contender>& cells, bool maximize) {
  return ranks({cells.begin(), cells.end()}, maximize);
}

TEST(Ranks, TieWhatNothingTellsApart) {
  // Differences have the standard deviation 1; 0.05 / 3 two-sided is 2.394 of them.
  const double half = std::sqrt(0.5);
  std::vector<Contender> cells;
  for (const double mean : {3.0, 0.0, 2.0, 9.0}) {
    cells.push_back(one_seed(mean, half, cells.size(), 4));
  }
  const auto found = ranked(cells, false);
  EXPECT_EQ(found[1].rank, 1U);
  EXPECT_EQ(found[1].low, 1U);
  EXPECT_EQ(found[1].high, 2U) << "0 and 2 tie; 3 and 9 are worse than 0";
  EXPECT_EQ(found[2].rank, 1U);
  EXPECT_EQ(found[2].high, 3U);
  EXPECT_EQ(found[0].rank, 2U);
  EXPECT_EQ(found[0].high, 3U);
  EXPECT_EQ(found[3].rank, 4U);
  EXPECT_EQ(found[3].low, found[3].high);
  const auto turned = ranked(cells, true);
  EXPECT_EQ(turned[3].rank, 1U);
  EXPECT_EQ(turned[1].low, 3U);
  EXPECT_EQ(turned[1].high, 4U);
}

TEST(Ranks, BoundAndDistanceSayTheSame) {
  // Whatever way a pair is settled, it is by the distance of the noise.
  const RandomStream random(1, "cells", 0);
  std::vector<Contender> cells;
  for (std::size_t c = 0; c < 30; ++c) {
    Contender cell{.mean = random.normal(c), .seeds = {0}, .runs = {}};
    cell.runs.values = {cell.mean};
    std::vector<float>& noise = cell.runs.noise.emplace_back();
    for (std::size_t i = 0; i < 50; ++i) {
      noise.push_back(static_cast<float>(0.05 * random.normal(1000 + i) +
                                         0.03 * random.normal(2000 + 50 * c + i)));
    }
    cells.push_back(std::move(cell));
  }
  const double critical = normal_quantile(1 - 0.05 / 29 / 2);
  const auto found = ranked(cells, false);
  for (std::size_t a = 0; a < cells.size(); ++a) {
    std::size_t better = 0;
    std::size_t worse = 0;
    for (std::size_t b = 0; b < cells.size(); ++b) {
      double variance = 0;
      for (std::size_t i = 0; i < 50; ++i) {
        variance += std::pow(double{cells[a].runs.noise[0][i]} - cells[b].runs.noise[0][i], 2);
      }
      if (std::abs(cells[a].mean - cells[b].mean) <= critical * std::sqrt(variance)) continue;
      ++(cells[b].mean < cells[a].mean ? better : worse);
    }
    EXPECT_EQ(found[a].low, better + 1);
    EXPECT_EQ(found[a].high, cells.size() - worse);
  }
}

TEST(Ranks, PairEqualSeeds) {
  // Each seed is as much worse for both: paired the difference is beyond doubt, unpaired it is not.
  Contender a{.mean = 2, .seeds = {0, 1, 2}, .runs = {{1, 2, 3}, {}}};
  Contender b{.mean = 2.5, .seeds = {0, 1, 2}, .runs = {{1.5, 2.5, 3.49}, {}}};
  EXPECT_EQ(ranked({a, b}, false)[1].rank, 2U);
  b.seeds = {0, 1, 4};
  EXPECT_EQ(ranked({a, b}, false)[1].rank, 1U);
}

TEST(Ranks, AreThePlacesWhereSomeNoiseIsNotKnown) {
  const Contender blind{.mean = 1, .seeds = {0}, .runs = {{1}, {}}};
  const auto found = ranked({one_seed(2, 0.1, 0, 1), blind}, false);
  EXPECT_EQ(found[0].rank, 2U);
  EXPECT_EQ(found[1].rank, 1U);
  EXPECT_FALSE(found[0].low.has_value());
  EXPECT_TRUE(ranked({}, false).empty());
  EXPECT_EQ(ranked({one_seed(2, 0.1, 0, 1)}, false)[0].high, 1U);
}

}  // namespace
}  // namespace sarsweep::stats
