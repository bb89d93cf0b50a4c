#include "trainer/core/metrics/in_parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

TEST(InParallel, CallsEveryIndexOnce) {
  for (const int threads : {-1, 1, 2, 7}) {
    for (const std::size_t count : {0, 1, 5, 1000}) {
      std::vector<std::atomic<int>> calls(count);
      in_parallel(count, threads, [&](std::size_t i) { ++calls[i]; });
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(calls[i], 1) << threads << " " << i;
    }
  }
}

TEST(InParallel, ThrowsWhatTheLeastIndexThrew) {
  for (int trial = 0; trial < 50; ++trial) {
    for (const int threads : {1, 4}) {
      try {
        in_parallel(100, threads, [](std::size_t i) {
          if (i % 10 == 7) throw Error(ErrorCode::invalid, std::to_string(i));
        });
        FAIL();
      } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "7") << threads;
      }
    }
  }
}

}  // namespace
}  // namespace sarsweep::trainer
