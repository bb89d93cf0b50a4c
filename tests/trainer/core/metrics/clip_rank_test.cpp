#include "trainer/core/metrics/clip_rank.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "trainer/core/metrics/rank_distribution.h"

namespace sarsweep::trainer {
namespace {

using Rows = std::vector<std::vector<float>>;

// Captions are the unit vectors, so that a picture's row is its similarities up to a factor, which
// no rank sees.
ClipEmbeddings of_similarities(const Rows& similarity) {
  ClipEmbeddings embeddings{
      .judge = "j", .real = similarity, .generated = similarity, .text = {}, .caption = {}};
  const std::size_t captions = similarity.front().size();
  for (std::size_t j = 0; j < captions; ++j) {
    embeddings.text.emplace_back(captions, 0.0F);
    embeddings.text.back()[j] = 1;
  }
  embeddings.caption.resize(similarity.size());
  std::iota(embeddings.caption.begin(), embeddings.caption.end(), std::size_t{0});
  return embeddings;
}

std::vector<RankedPair> pairs_of(std::size_t n, const std::vector<std::string>& labels = {}) {
  std::vector<RankedPair> pairs;
  for (std::size_t i = 0; i < n; ++i) {
    pairs.push_back({fmt::format("{}.png", i), labels.empty() ? "all" : labels[i]});
  }
  return pairs;
}

Rows random_rows(std::size_t n, std::size_t width, std::uint64_t index) {
  const RandomStream random(3, "test", index);
  Rows rows(n, std::vector<float>(width));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < width; ++j) {
      rows[i][j] = static_cast<float>(random.normal(i * width + j));
    }
  }
  return rows;
}

const Rows kFixture = {
    {.9F, .2F, .1F, .4F}, {.5F, .3F, .6F, .1F}, {.2F, .2F, .2F, .1F}, {0, .1F, .7F, .6F}};

std::vector<double> expected(const ClipRanks& ranks) {
  std::vector<double> values;
  for (const auto& rank : ranks.pairs) values.push_back(rank->expected);
  return values;
}

TEST(ClipRank, OfTheFixtureHasItsPublishedDigits) {
  const ClipEmbeddings embeddings = of_similarities(kFixture);
  const auto ranked = [&](RankTies ties) {
    return rank_captions(embeddings, pairs_of(4), {.ties = ties, .pool = 4});
  };
  const ClipRanks strict = ranked(RankTies::strict);
  EXPECT_EQ(expected(strict), (std::vector<double>{1, 3, 1, 2}));
  EXPECT_DOUBLE_EQ(strict.summary->mean, 1.75);
  EXPECT_NEAR(strict.summary->variance, 0.6875, 1e-12);
  EXPECT_DOUBLE_EQ(strict.summary->median, 1.5);
  EXPECT_DOUBLE_EQ(strict.summary->median_floor, 1);
  EXPECT_DOUBLE_EQ(strict.summary->tie_share, 2.0 / 12);
  EXPECT_EQ(expected(ranked(RankTies::pessimistic)), (std::vector<double>{1, 3, 3, 2}));
  EXPECT_EQ(expected(ranked(RankTies::mid)), (std::vector<double>{1, 3, 2, 2}));
  EXPECT_DOUBLE_EQ(ranked(RankTies::mid).summary->strict_mean, 1.75);
}

TEST(ClipRank, OfAConstantEmbeddingIsChance) {
  ClipEmbeddings embeddings;
  embeddings.real = embeddings.generated = Rows(330, {1, 2, 3});
  embeddings.text = Rows(330, {3, 2, 1});
  embeddings.caption.resize(330);
  std::iota(embeddings.caption.begin(), embeddings.caption.end(), std::size_t{0});
  const ClipRanks all_tied = rank_captions(embeddings, pairs_of(330), {});
  EXPECT_NEAR(all_tied.summary->expected_mean, 8.5, 1e-12);
  EXPECT_NEAR(all_tied.summary->strict_mean, 1, 1e-12);
  EXPECT_DOUBLE_EQ(all_tied.summary->tie_share, 1);
  EXPECT_EQ(all_tied.summary->pool, 16);
  // Pictures all alike, captions that differ: every rank is as likely as any other.
  embeddings.text = random_rows(330, 3, 1);
  const RankSummary chance = *rank_captions(embeddings, pairs_of(330), {}).summary;
  EXPECT_NEAR(chance.expected_mean, 8.5, 1e-12);
  EXPECT_NEAR(chance.variance, 21.25, 1e-9);
  EXPECT_DOUBLE_EQ(chance.median, 8.5);
  EXPECT_DOUBLE_EQ(chance.median_floor, 8);
}

// Every pool of 3 others out of 6, one by one.
TEST(ClipRank, ExpectationIsTheMeanOverEveryPool) {
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    Rows similarity = random_rows(7, 7, 50 + trial);
    if (trial % 2 == 1) {  // coarse, so that ties occur
      for (auto& row : similarity) {
        for (float& value : row) value = std::round(2 * value) + 8;
      }
    }
    const auto ties = static_cast<RankTies>(trial % 3);
    const double weight = ties == RankTies::strict ? 0 : ties == RankTies::mid ? 0.5 : 1;
    std::vector<double> ranks;
    for (int i = 0; i < 7; ++i) {
      for (int pool = 0; pool < 128; ++pool) {
        if (std::popcount(static_cast<unsigned>(pool)) != 3 || (pool >> i & 1) != 0) continue;
        double rank = 1;
        for (int j = 0; j < 7; ++j) {
          if ((pool >> j & 1) == 0) continue;
          if (similarity[i][j] > similarity[i][i]) rank += 1;
          if (similarity[i][j] == similarity[i][i]) rank += weight;
        }
        ranks.push_back(rank);
      }
    }
    std::sort(ranks.begin(), ranks.end());
    const auto n = static_cast<double>(ranks.size());
    const double mean = std::accumulate(ranks.begin(), ranks.end(), 0.0) / n;
    double variance = 0;
    for (const double rank : ranks) variance += (rank - mean) * (rank - mean) / n;
    const RankSummary summary =
        *rank_captions(of_similarities(similarity), pairs_of(7), {.ties = ties, .pool = 4}).summary;
    EXPECT_NEAR(summary.mean, mean, 1e-12) << trial;
    EXPECT_NEAR(summary.expected_mean, mean, 1e-12) << trial;
    EXPECT_NEAR(summary.variance, variance, 1e-11) << trial;
    EXPECT_DOUBLE_EQ(summary.median, (ranks[69] + ranks[70]) / 2) << trial;
  }
}

TEST(ClipRank, EqualCaptionsOfOtherItemsAreTies) {
  ClipEmbeddings embeddings = of_similarities({{1, 0}, {1, 0}, {0, 1}});
  embeddings.caption = {0, 0, 1};
  const ClipRanks ranks = rank_captions(embeddings, pairs_of(3), {.pool = 3});
  EXPECT_EQ(expected(ranks), (std::vector<double>{1.5, 1.5, 1}));
  EXPECT_EQ(ranks.pairs[0]->strict, 1);
}

TEST(ClipRank, OtherSeedsOfAnItemAreNoCandidates) {
  const ClipEmbeddings embeddings = [] {
    ClipEmbeddings made = of_similarities({{1, 0}, {0, 1}, {1, 0}, {0, 1}});
    made.caption = {0, 1, 0, 1};
    return made;
  }();
  const std::vector<RankedPair> pairs = {{"a", "x"}, {"b", "x"}, {"a", "x"}, {"b", "x"}};
  const ClipRanks ranks = rank_captions(embeddings, pairs, {});
  EXPECT_EQ(expected(ranks), (std::vector<double>{1, 1, 1, 1}));
  EXPECT_EQ(ranks.summary->pool, 2);
  EXPECT_EQ(ranks.summary->tie_share, 0);
  EXPECT_THROW(rank_captions(embeddings, {{"a", "x"}, {"a", "x"}, {"a", "x"}, {"b", "x"}}, {}),
               Error);
}

TEST(ClipRank, WithinTheLabelOnlyItsCaptionsCompete) {
  // The captions of label y beat every picture of x, and the other way round.
  const ClipEmbeddings embeddings = of_similarities({{.5F, .1F, 1, 1, 0},
                                                     {.1F, .5F, 1, 1, 0},
                                                     {1, 1, .5F, .6F, 0},
                                                     {1, 1, .1F, .5F, 0},
                                                     {1, 1, 1, 1, .1F}});
  const std::vector<RankedPair> pairs = pairs_of(5, {"x", "x", "y", "y", "z"});
  const ClipRanks mixed = rank_captions(embeddings, pairs, {.pool = 5});
  EXPECT_EQ(expected(mixed), (std::vector<double>{3, 3, 4, 3, 5}));
  const ClipRanks within =
      rank_captions(embeddings, pairs, {.mode = RankMode::within_label, .pool = 5});
  EXPECT_EQ(within.pairs[0]->expected, 1);
  EXPECT_EQ(within.pairs[2]->expected, 2);
  EXPECT_FALSE(within.pairs[4]);  // the only caption of its label
  EXPECT_DOUBLE_EQ(within.summary->expected_mean, 1.25);
  EXPECT_EQ(within.summary->pool, 2);
}

TEST(ClipRank, OfAPartitionHasWholeRanksAroundTheExpectation) {
  const ClipEmbeddings embeddings = of_similarities(random_rows(66, 66, 9));
  const RankRules rules{.mode = RankMode::shuffle, .ties = RankTies::strict, .pool = 16};
  const RankSummary summary = *rank_captions(embeddings, pairs_of(66), rules).summary;
  EXPECT_EQ(summary.mean * 64, std::round(summary.mean * 64));  // 2 of 66 are left over
  EXPECT_NE(summary.mean, summary.expected_mean);
  EXPECT_NEAR(summary.mean, summary.expected_mean, 1.5);
  EXPECT_EQ(summary.median * 2, std::round(summary.median * 2));
  EXPECT_EQ(summary.mean, rank_captions(embeddings, pairs_of(66), rules).summary->mean);
}

TEST(ClipRank, CosinesAreOfUnitVectors) {
  ClipEmbeddings embeddings;
  embeddings.real = {{3, 4}, {0, -2}};
  embeddings.generated = {{10, 0}, {5, 5}};
  embeddings.text = {{2, 0}, {0, 1}};
  embeddings.caption = {0, 1};
  const ClipRanks ranks = rank_captions(embeddings, pairs_of(2), {});
  EXPECT_NEAR(ranks.cosine_real[0], 0.6, 1e-15);
  EXPECT_NEAR(ranks.cosine_real[1], -1, 1e-15);
  EXPECT_NEAR(ranks.cosine_generated[0], 1, 1e-15);
  EXPECT_NEAR(ranks.cosine_generated[1], std::sqrt(0.5), 1e-15);
}

TEST(ClipRank, RefusesEmbeddingsThatDoNotFit) {
  const ClipEmbeddings good = of_similarities(kFixture);
  const auto refused = [](const ClipEmbeddings& embeddings) {
    EXPECT_THROW(rank_captions(embeddings, pairs_of(4), {}), Error);
  };
  ClipEmbeddings bad = good;
  bad.generated.pop_back();
  refused(bad);
  bad = good;
  bad.text[1].push_back(0);
  refused(bad);
  bad = good;
  bad.caption[3] = 4;
  refused(bad);
  bad = good;
  bad.real[2] = {0, 0, 0, 0};
  refused(bad);
  bad = good;
  bad.generated[0][1] = NAN;
  refused(bad);
  EXPECT_THROW(parse_rank_mode("all"), Error);
  EXPECT_THROW(parse_rank_ties(""), Error);
  EXPECT_FALSE(rank_captions(of_similarities({{1}}), pairs_of(1), {}).summary);
}

}  // namespace
}  // namespace sarsweep::trainer
