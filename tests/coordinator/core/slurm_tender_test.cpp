// The pools against a Slurm that loses replies, forgets jobs and accepts them twice, and a
// coordinator that dies in between. SARSWEEP_SEEDS sets how many worlds there are.
#include "coordinator/core/slurm_tender.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "coordinator/core/slurm_demand.h"
#include "coordinator/core/slurm_pools.h"
#include "tests/coordinator/core/slurm_world.h"

namespace sarsweep::coordinator {
namespace {

constexpr int kMostSteps = 3000;

void go(SlurmWorld& world, int steps) {
  for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
    world.step();
    world.check();
  }
}

// Until every run is done; false where that never comes.
bool finish_all(SlurmWorld& world) {
  for (int i = 0; i < kMostSteps && !testing::Test::HasFailure(); ++i) {
    if (world.runs_left() == 0) return true;
    world.step();
    world.check();
  }
  return false;
}

TEST(SlurmTender, SubmitsNoMoreThanTheQueueWantsAndThenNothing) {
  SlurmWorld world(1, 2, 4);
  go(world, 4);
  EXPECT_EQ(world.submissions(), 2);
  ASSERT_TRUE(finish_all(world));
  go(world, 20);
  EXPECT_EQ(world.submissions(), 2);
  EXPECT_TRUE(world.jobs_there().empty());
  world.submit_runs(2, 1);
  ASSERT_TRUE(finish_all(world));
  EXPECT_EQ(world.submissions(), 3);
}

TEST(SlurmTender, AnswersLostOrDoubledCostNoRunAndMakeNoSecondWorker) {
  const char* wanted = std::getenv("SARSWEEP_SEEDS");
  const unsigned seeds = wanted == nullptr ? 4 : static_cast<unsigned>(std::stoul(wanted));
  std::int64_t submissions = 0, crashes = 0;
  for (unsigned seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    SlurmWorld world(seed, 25, 1 + seed % 5);
    // Faults by swarm: each world has some of them.
    const auto rate = [&, bits = seed * 2654435761U](int which, int percent) {
      return (bits >> which) % 2 == 0 ? percent : 0;
    };
    world.faults = {.lost_replies = rate(3, 15),
                    .late_jobs = rate(5, 10),
                    .doubles = rate(7, 15),
                    .never = rate(9, 5),
                    .crashes = rate(11, 10),
                    .silence = rate(13, 20),
                    .amnesia = rate(15, 20),
                    .deaths = rate(17, 2)};
    for (int i = 0; i < 200 && !HasFailure(); ++i) {
      world.step();
      world.check();
      if (world.pool_row().state == PoolState::paused) {  // too much came to nothing: as a person
        apply_pool_verb(world.core(), "pool", PoolVerb::resume, "alice");
      }
    }
    world.faults = {};
    if (world.pool_row().state == PoolState::paused) {
      apply_pool_verb(world.core(), "pool", PoolVerb::resume, "alice");
    }
    EXPECT_TRUE(finish_all(world)) << world.runs_left() << " runs are left";
    go(world, 60);
    EXPECT_TRUE(world.jobs_there().empty()) << "a job nobody wants is still there";
    for (const SlurmJobRow& row : world.rows()) EXPECT_FALSE(is_alive(row.state)) << row.token;
    submissions += world.submissions();
    crashes += world.crashes();
  }
  std::printf("%lld submissions, %lld crashes between intent and reply\n",
              static_cast<long long>(submissions), static_cast<long long>(crashes));
}

TEST(SlurmTender, ARemovedPoolsJobsSaveAndEnd) {
  SlurmWorld world(3, 12, 3);
  go(world, 8);
  ASSERT_FALSE(world.jobs_there().empty());
  apply_pool_verb(world.core(), "pool", PoolVerb::remove, "alice");
  const std::int64_t before = world.submissions();
  for (int i = 0; i < 60 && !world.jobs_there().empty(); ++i) world.step();
  EXPECT_TRUE(world.jobs_there().empty());
  for (int i = 0; i < 4; ++i) world.step();
  EXPECT_EQ(world.submissions(), before);
  const auto pools =
      world.core().database.read([](Connection& c) { return SlurmStore(c).pools().size(); });
  EXPECT_EQ(pools, 0U);
}

TEST(SlurmTender, PausesWhatComesToNothingAgainAndAgain) {
  SlurmWorld world(4, 3, 1);
  world.faults.never = 100;
  for (int i = 0; i < 500 && world.pool_row().state == PoolState::active; ++i) world.step();
  EXPECT_EQ(world.pool_row().state, PoolState::paused);
  EXPECT_NE(world.pool_row().reason.find("Socket timed out"), std::string::npos)
      << world.pool_row().reason;
  EXPECT_EQ(world.submissions(), kMostFailures);
  world.faults = {};
  apply_pool_verb(world.core(), "pool", PoolVerb::resume, "alice");
  EXPECT_EQ(world.pool_row().reason, "");
  EXPECT_TRUE(finish_all(world));
}

TEST(SlurmDemand, CountsMachinesOfAKnownShape) {
  const auto runs = [](std::vector<std::int64_t> slots, const std::string& device = "auto") {
    std::vector<Candidate> all;
    for (const std::int64_t count : slots) {
      all.push_back(
          {.run = static_cast<std::int64_t>(all.size()), .slots = count, .device = device});
    }
    return all;
  };
  const std::vector<Slot> gpus = {{0, "cuda:0"}, {1, "cuda:1"}};
  auto left = runs({1, 1, 1, 2, 4});
  EXPECT_EQ(machines_for(left, gpus, 9), 3);
  ASSERT_EQ(left.size(), 1U);  // One that no such machine can hold asks for none.
  EXPECT_EQ(left[0].slots, 4);
  left = runs({1, 1, 1});
  EXPECT_EQ(machines_for(left, gpus, 1), 1);
  EXPECT_EQ(left.size(), 1U);
  left = runs({1, 4});
  EXPECT_EQ(machines_for(left, {}, 9), 2);  // Not known yet: any one run.
  left = runs({1}, "cpu");
  EXPECT_EQ(machines_for(left, gpus, 9), 0);
}

}  // namespace
}  // namespace sarsweep::coordinator
