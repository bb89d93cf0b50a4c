#include "coordinator/core/ending.h"

#include <gtest/gtest.h>

namespace sarsweep::coordinator {
namespace {

struct Case {
  Exit exit;
  RunState to;
  AttemptEnd end;
  Charge charge;
};

TEST(Ending, FollowsTheExitCode) {
  const std::vector<Case> cases = {
      {{.code = 0}, RunState::done, AttemptEnd::succeeded, Charge::none},
      {{.code = 1}, RunState::backoff, AttemptEnd::failed, Charge::user},
      {{.code = 75}, RunState::backoff, AttemptEnd::failed, Charge::infrastructure},
      {{.code = 0, .signal = 9}, RunState::backoff, AttemptEnd::failed, Charge::infrastructure},
      {{.code = 76}, RunState::queued, AttemptEnd::failed, Charge::memory},
      {{.code = 76, .micro_batch = 1}, RunState::failed, AttemptEnd::failed, Charge::none},
      {{.code = 77}, RunState::failed, AttemptEnd::failed, Charge::none},
      {{.code = 78}, RunState::failed, AttemptEnd::spec_error, Charge::none},
      {{.code = 143}, RunState::queued, AttemptEnd::preempted, Charge::none},
      {{.code = 0, .signal = 9, .draining = true},
       RunState::queued,
       AttemptEnd::preempted,
       Charge::none}};
  for (const Case& c : cases) {
    const Ending ending = ending_of(RunState::running, c.exit, {});
    EXPECT_EQ(ending.to, c.to) << c.exit.code;
    EXPECT_EQ(ending.end, c.end) << c.exit.code;
    EXPECT_EQ(ending.charge, c.charge) << c.exit.code;
  }
}

// Else a run whose walltime is too short to save anything would start for ever.
TEST(Ending, AWalltimeIsFreeIfSomethingWasSaved) {
  const Exit saved{.code = 143, .draining = true, .walltime = true, .saved = true};
  EXPECT_EQ(ending_of(RunState::running, saved, {}).to, RunState::queued);
  EXPECT_EQ(ending_of(RunState::running, saved, {}).charge, Charge::none);
  for (const int signal : {0, 9}) {
    const Exit lost{.code = 143, .signal = signal, .draining = true, .walltime = true};
    EXPECT_EQ(ending_of(RunState::running, lost, {2, 0, 0}).to, RunState::backoff);
    EXPECT_EQ(ending_of(RunState::running, lost, {2, 2, 0}).to, RunState::failed);
    EXPECT_EQ(ending_of(RunState::running, lost, {2, 2, 0}).reason,
              "its walltime ended before its first checkpoint; raise resources.walltime (2 of 2 "
              "retries used)");
  }
}

TEST(Ending, MemoryIsAskedForInHalvesFourTimes) {
  const Exit exit{.code = 76, .micro_batch = 8};
  for (std::int64_t halvings = 0; halvings < kMostHalvings; ++halvings) {
    const Ending ending = ending_of(RunState::running, exit, {.micro_halvings = halvings});
    EXPECT_EQ(ending.to, RunState::queued);
    EXPECT_EQ(ending.reason, "out of memory with 8 images a pass; it goes on with 4");
  }
  const Ending last = ending_of(RunState::running, exit, {.micro_halvings = kMostHalvings});
  EXPECT_EQ(last.to, RunState::failed);
  EXPECT_EQ(last.reason, "out of memory after 4 halvings of its micro batch");
  EXPECT_EQ(ending_of(RunState::pausing, exit, {}).to, RunState::paused);
  EXPECT_EQ(ending_of(RunState::pausing, exit, {}).charge, Charge::memory);
}

TEST(Ending, ASpentBudgetFails) {
  EXPECT_EQ(ending_of(RunState::running, {.code = 1}, {2, 1, 0}).to, RunState::backoff);
  EXPECT_EQ(ending_of(RunState::running, {.code = 1}, {2, 2, 0}).to, RunState::failed);
  EXPECT_EQ(ending_of(RunState::running, {.code = 75}, {0, 0, 9}).to, RunState::backoff);
  EXPECT_EQ(ending_of(RunState::running, {.code = 75}, {0, 0, 10}).to, RunState::failed);
  EXPECT_EQ(ending_of_lost_lease(RunState::running, {0, 0, 10}).to, RunState::failed);
}

TEST(Ending, BackoffsDoubleUpToFiveMinutes) {
  std::int64_t last = 0;
  for (std::int64_t failures = 0; failures < 10; ++failures) {
    const Ending ending = ending_of(RunState::running, {.code = 75}, {0, 0, failures});
    EXPECT_GE(ending.delay_ms, last);
    EXPECT_LE(ending.delay_ms, 300'000);
    last = ending.delay_ms;
  }
  EXPECT_EQ(last, 300'000);
}

TEST(Ending, ACancellingRunNeverEndsDone) {
  for (const int code : {0, 1, 75, 77, 143}) {
    EXPECT_EQ(ending_of(RunState::cancelling, {.code = code}, {}).to, RunState::cancelled);
  }
  EXPECT_EQ(ending_of_lost_lease(RunState::cancelling, {}).to, RunState::cancelled);
}

TEST(Ending, APausingRunIsPausedUnlessItWasDone) {
  EXPECT_EQ(ending_of(RunState::pausing, {.code = 143}, {}).to, RunState::paused);
  EXPECT_EQ(ending_of(RunState::pausing, {.code = 0, .signal = 9}, {}).to, RunState::paused);
  EXPECT_EQ(ending_of(RunState::pausing, {.code = 0}, {}).to, RunState::done);
  EXPECT_EQ(ending_of(RunState::pausing, {.code = 77}, {}).to, RunState::failed);
  EXPECT_EQ(ending_of_lost_lease(RunState::pausing, {}).to, RunState::paused);
}

TEST(Ending, OnlyMovesThatTheTableAllows) {
  for (const RunState state : kRunStates) {
    if (!is_held(state)) continue;
    for (const int code : {0, 1, 2, 75, 76, 77, 78, 139, 143}) {
      for (const int signal : {0, 9}) {
        const Ending ending = ending_of(state, {.code = code, .signal = signal}, {});
        EXPECT_TRUE(can_move(state, ending.to))
            << to_string(state) << " " << to_string(ending.to) << " " << code;
      }
    }
    EXPECT_TRUE(can_move(state, ending_of_lost_lease(state, {}).to)) << to_string(state);
  }
}

}  // namespace
}  // namespace sarsweep::coordinator
