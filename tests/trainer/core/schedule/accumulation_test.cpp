#include "trainer/core/schedule/accumulation.h"

#include <gtest/gtest.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

// The sample indices of every update of `epochs` passes.
std::vector<UpdateRange> updates(const Accumulation& plan, std::int64_t epochs) {
  std::vector<UpdateRange> ranges;
  for (std::int64_t i = 0; i < plan.updates_of(epochs); ++i) ranges.push_back(plan.update(i));
  return ranges;
}

void expect_range(const UpdateRange& range, std::int64_t begin, std::int64_t size) {
  EXPECT_EQ(range.begin, begin);
  EXPECT_EQ(range.size, size);
}

TEST(Accumulation, FlushEndsEachEpochWithASmallerUpdate) {
  const auto ranges = updates({10, 4, Tail::flush}, 2);
  ASSERT_EQ(ranges.size(), 6U);
  expect_range(ranges[2], 8, 2);
  expect_range(ranges[3], 10, 4);
  expect_range(ranges[5], 18, 2);
}

TEST(Accumulation, CarryBeginsTheNextEpochWithTheRest) {
  const auto ranges = updates({10, 4, Tail::carry}, 2);
  ASSERT_EQ(ranges.size(), 5U);
  expect_range(ranges[2], 8, 4);
  expect_range(ranges[4], 16, 4);
}

TEST(Accumulation, DropLeavesOutTheRestOfEachEpoch) {
  const auto ranges = updates({10, 4, Tail::drop}, 2);
  ASSERT_EQ(ranges.size(), 4U);
  expect_range(ranges[1], 4, 4);
  expect_range(ranges[2], 10, 4);
}

TEST(Accumulation, FlushTakesEveryImageOfEveryEpochOnce) {
  for (const std::int64_t images : {1, 7, 8, 9}) {
    std::int64_t next = 0;
    for (const UpdateRange& range : updates({images, 4, Tail::flush}, 3)) {
      EXPECT_EQ(range.begin, next);
      next += range.size;
    }
    EXPECT_EQ(next, 3 * images);
  }
}

TEST(Accumulation, DropThatLeavesNothingIsRefused) {
  EXPECT_THROW((Accumulation{3, 4, Tail::drop}.update(0)), Error);
}

TEST(Accumulation, MicroBatchesCoverAnUpdateInOrder) {
  const auto micros = micro_batches({8, 7}, 3);
  ASSERT_EQ(micros.size(), 3U);
  expect_range(micros[0], 8, 3);
  expect_range(micros[2], 14, 1);
}

TEST(ShareOf, RanksTakeEveryImageOnceInOrder) {
  for (std::int64_t size = 0; size < 20; ++size) {
    for (std::int64_t ranks = 1; ranks < 7; ++ranks) {
      std::int64_t next = 100;
      for (std::int64_t rank = 0; rank < ranks; ++rank) {
        const UpdateRange share = share_of({100, size}, rank, ranks);
        EXPECT_EQ(share.begin, next);
        EXPECT_GE(share.size, size / ranks);
        EXPECT_LE(share.size, (size + ranks - 1) / ranks);
        next += share.size;
      }
      EXPECT_EQ(next, 100 + size);
    }
  }
}

}  // namespace
}  // namespace sarsweep::trainer
