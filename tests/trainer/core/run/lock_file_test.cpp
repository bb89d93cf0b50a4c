#include "trainer/core/run/lock_file.h"

#include <gtest/gtest.h>

#include <optional>

#include "schema/base/error.h"
#include "tests/support/referee.h"

namespace sarsweep::trainer {
namespace {

TEST(LockFile, SecondHolderWaitsUntilTheFirstIsGone) {
  const tests::TemporaryFolder folder;
  std::optional<LockFile> first(std::in_place, folder.path() / "sub" / "a.lock", [] {});
  int asked = 0;
  const LockFile second(folder.path() / "sub" / "a.lock", [&] {
    if (++asked == 2) first.reset();
  });
  EXPECT_EQ(asked, 2);
}

TEST(LockFile, WaitEndsWhenTheCheckThrows) {
  const tests::TemporaryFolder folder;
  const LockFile first(folder / "a.lock", [] {});
  EXPECT_THROW(LockFile(folder / "a.lock", [] { throw Error(ErrorCode::busy, "stopped"); }), Error);
}

}  // namespace
}  // namespace sarsweep::trainer
