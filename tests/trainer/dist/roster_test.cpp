#include "trainer/dist/roster.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class HandClock final : public Clock {
 public:
  TimePoint steady() const override { return now_; }
  std::int64_t unix_ms() const override { return 0; }
  void advance(milliseconds by) { now_ += by; }

 private:
  TimePoint now_{std::chrono::hours(1)};
};

// Rank 0 of three as a test drives it; the cells of the others are set by hand.
class RosterOfThree : public testing::Test {
 protected:
  RosterOfThree() : roster_(cells_, 0, clock_) {
    for (RankCell& cell : cells_) cell.pid = ::getpid();
  }

  // Looks every 100 ms for `span`, with `between` before each look. Why a rank was given up, or "".
  std::string watch(
      milliseconds span, const std::function<void()>& between = [] {}) {
    for (milliseconds passed{0}; passed < span; passed += milliseconds(100)) {
      clock_.advance(milliseconds(100));
      between();
      try {
        roster_.require_all();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::unreachable);
        return error.what();
      }
    }
    return "";
  }
  void beat(std::size_t rank) { ++cells_[rank].beats; }
  void beat_all() { beat(1), beat(2); }
  // Rank 0 waits for rank 1; rank 2 waits, too.
  void wait_for_first() {
    roster_.enter_call();
    cells_[2].calls = 1;
  }

  HandClock clock_;
  std::array<RankCell, 3> cells_;
  Roster roster_;
};

TEST_F(RosterOfThree, BeatingRanksNobodyWaitsForMayTakeAsLongAsTheyLike) {
  EXPECT_EQ(watch(std::chrono::hours(1), [this] { beat_all(); }), "");
  EXPECT_FALSE(roster_.departure().has_value());
}

TEST_F(RosterOfThree, ABeatingRankThatGetsNoFurtherIsGivenUpAfterTenMinutesOfWaiting) {
  const auto stuck = [this] { beat_all(), ++cells_[2].progress; };
  EXPECT_EQ(watch(seconds(500), stuck), "");  // not waited for yet
  wait_for_first();
  EXPECT_EQ(watch(seconds(599), stuck), "");
  EXPECT_EQ(watch(seconds(2), stuck),
            "rank 1 of 3: it got no further for 600 s while rank 0 waited");
  ASSERT_TRUE(roster_.departure().has_value());
  EXPECT_EQ(roster_.departure()->rank, 1);
  EXPECT_EQ(roster_.departure()->exit_code, 75);
}

TEST_F(RosterOfThree, ARankThatGetsOnMayTakeAsLongAsItLikes) {
  wait_for_first();
  int looks = 0;
  EXPECT_EQ(watch(std::chrono::hours(2),
                  [&] {
                    beat_all(), ++cells_[2].progress;
                    if (++looks % 5'000 == 0) ++cells_[1].progress;  // every 500 s
                  }),
            "");
}

TEST_F(RosterOfThree, ARankThatIsSlowByNatureIsWaitedForTwentyTimesAsLong) {
  const auto stuck = [this] { beat_all(), ++cells_[2].progress; };
  cells_[1].longest_ms = 60'000;
  wait_for_first();
  EXPECT_EQ(watch(seconds(1'199), stuck), "");
  EXPECT_EQ(watch(seconds(2), stuck),
            "rank 1 of 3: it got no further for 1200 s while rank 0 waited");
}

TEST_F(RosterOfThree, LongWorkAndTheLastCallAreWaitedFor) {
  const auto stuck = [this] { beat_all(), ++cells_[2].progress; };
  wait_for_first();
  cells_[1].long_works = 1;
  EXPECT_EQ(watch(std::chrono::hours(2), stuck), "");
  cells_[1].long_works = 0;
  EXPECT_EQ(watch(seconds(599), stuck), "");
  roster_.expect_the_end();
  EXPECT_EQ(watch(std::chrono::hours(2), stuck), "");
}

TEST_F(RosterOfThree, ShowsHowLongItTakesFromOneSignOfProgressToTheNext) {
  const auto shown = [this] { return cells_[0].progress.load(); };
  clock_.advance(seconds(7));
  std::uint64_t before = shown();
  roster_.note_progress();
  EXPECT_GT(shown(), before);
  EXPECT_EQ(cells_[0].longest_ms, 7'000);
  clock_.advance(seconds(3));
  roster_.enter_call();
  EXPECT_EQ(cells_[0].longest_ms, 7'000);
  roster_.end_call();
  // Long work is no measure of the others.
  roster_.begin_long_work();
  EXPECT_EQ(cells_[0].long_works, 1);
  clock_.advance(seconds(100));
  before = shown();
  roster_.end_long_work();
  EXPECT_GT(shown(), before);
  EXPECT_EQ(cells_[0].long_works, 0);
  roster_.note_progress();
  EXPECT_EQ(cells_[0].longest_ms, 7'000);
}

TEST_F(RosterOfThree, ASilentRankIsGivenUpAfterEightSeconds) {
  EXPECT_EQ(watch(milliseconds(7'900), [this] { beat(2); }), "");
  EXPECT_EQ(watch(milliseconds(300), [this] { beat(2); }),
            "rank 1 of 3: it gave no sign of life for 8 s");
  ASSERT_TRUE(roster_.departure().has_value());
  EXPECT_EQ(roster_.departure()->rank, 1);
  EXPECT_EQ(roster_.departure()->exit_code, 75);
}

TEST_F(RosterOfThree, TimeInWhichNobodyRanIsNoSilence) {
  for (int sleep = 0; sleep < 10; ++sleep) {
    clock_.advance(seconds(60));
    EXPECT_EQ(watch(milliseconds(200)), "");
    beat(1);
    beat(2);
    EXPECT_EQ(watch(milliseconds(200)), "");
  }
}

TEST_F(RosterOfThree, ARankWhoseProcessIsGoneIsGivenUpAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  cells_[2].pid = child;
  EXPECT_EQ(watch(milliseconds(200)), "rank 2 of 3: its process is gone");
  EXPECT_EQ(roster_.departure()->exit_code, 75);
}

TEST_F(RosterOfThree, LastWordsReachTheOthersWithTheirCode) {
  HandClock clock;
  Roster second(cells_, 1, clock);
  second.leave(78, "no such image: " + std::string(2000, 'x'));
  EXPECT_EQ(watch(milliseconds(200)).substr(0, 29), "rank 1 of 3: no such image: x");
  EXPECT_EQ(roster_.departure()->exit_code, 78);
  // Who leaves because of rank 1 says so.
  roster_.leave(75, "rank 0 has nothing to say of its own");
  EXPECT_EQ(cells_[0].culprit, 1);
  EXPECT_EQ(cells_[0].exit_code, 78);
}

TEST_F(RosterOfThree, AllInOneCallWithoutAnEndIsAStall) {
  const auto alive = [this] {
    beat_all();
    for (RankCell& cell : cells_) ++cell.progress;
  };
  roster_.enter_call();
  cells_[1].calls = 1;
  EXPECT_EQ(watch(std::chrono::hours(1), alive), "");  // rank 2 still computes
  cells_[2].calls = 1;
  EXPECT_EQ(watch(seconds(119), alive), "");
  EXPECT_EQ(watch(seconds(2), alive),
            "rank 0 of 3: all ranks have waited for each other for 120 s");
}

TEST_F(RosterOfThree, CallsThatEndAreNoStall) {
  const auto working = [this] {
    beat_all();
    for (RankCell& cell : cells_) cell.calls += 2, ++cell.progress;
  };
  for (RankCell& cell : cells_) cell.calls = 1;
  EXPECT_EQ(watch(std::chrono::hours(1), working), "");
}

TEST(Roster, BeatsOfItsOwnThread) {
  std::array<RankCell, 1> cells;
  RosterLimits limits;
  limits.beat = milliseconds(1);
  const Roster roster(cells, 0, system_clock(), limits);
  for (std::uint64_t last = cells[0].beats; cells[0].beats < 20;) {
    EXPECT_GE(cells[0].beats, last);
    last = cells[0].beats;
  }
}

TEST(Roster, OnlyOthersWaitForTheFirstRanksWords) {
  std::array<RankCell, 2> cells;
  HandClock clock;
  Roster first(cells, 0, clock), second(cells, 1, clock);
  EXPECT_TRUE(second.first_is_going());
  EXPECT_FALSE(first.first_is_going());
  first.leave(75, "done for");
  EXPECT_FALSE(second.first_is_going());
}

}  // namespace
}  // namespace sarsweep::trainer
