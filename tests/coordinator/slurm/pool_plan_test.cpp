#include "coordinator/slurm/pool_plan.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>

namespace sarsweep::coordinator {
namespace {

using enum SlurmJobState;
using Worker = JobLook::Worker;

QueueLook shows(std::vector<Sighting> jobs) { return {.answered = true, .jobs = std::move(jobs)}; }

JobLook job(SlurmJobState state, const std::string& id = "", Worker worker = Worker::none) {
  return {.state = state, .token = "t", .job_id = id, .worker = worker};
}

PoolLook pool(std::vector<JobLook> jobs, QueueLook queue, std::int64_t wanted = 0) {
  return {.max_jobs = 4, .wanted = wanted, .jobs = std::move(jobs), .queue = std::move(queue)};
}

PoolPlan plan(const PoolLook& look) { return plan_pool(look, {}); }

TEST(PoolPlan, SubmitsWhatTheQueueWantsUpToMaxJobs) {
  EXPECT_EQ(plan(pool({}, shows({}), 0)).submissions, 0);
  EXPECT_EQ(plan(pool({}, shows({}), 2)).submissions, 2);
  EXPECT_EQ(plan(pool({}, shows({}), 9)).submissions, 4);
  const PoolLook one = pool({job(pending, "1")}, shows({{"1", "t", "PENDING"}}), 9);
  EXPECT_EQ(plan(one).submissions, 3);
}

TEST(PoolPlan, SubmitsNothingWithoutALookARestOrLeave) {
  EXPECT_EQ(plan(pool({}, {.answered = false}, 9)).submissions, 0);
  PoolLook look = pool({}, shows({}), 9);
  look.resting = true;
  EXPECT_EQ(plan(look).submissions, 0);
  look.resting = false;
  look.state = PoolState::paused;
  EXPECT_EQ(plan(look).submissions, 0);
}

TEST(PoolPlan, FollowsWhatSlurmSays) {
  const PoolPlan found = plan(pool({job(submitting)}, shows({{"7", "t", "PENDING", "Priority"}})));
  ASSERT_EQ(found.changes.size(), 1U);
  EXPECT_EQ(found.changes[0].to, pending);
  EXPECT_EQ(found.changes[0].job_id, "7");
  EXPECT_EQ(found.changes[0].reason, "Priority");
  EXPECT_EQ(plan(pool({job(pending, "7")}, shows({{"7", "t", "RUNNING"}}))).changes.at(0).to,
            running);
  EXPECT_TRUE(plan(pool({job(running, "7")}, shows({{"7", "t", "COMPLETING"}}))).changes.empty());
  const PoolPlan over =
      plan(pool({job(running, "7", Worker::left)}, shows({{"7", "t", "TIMEOUT"}})));
  ASSERT_EQ(over.changes.size(), 1U);
  EXPECT_EQ(over.changes[0].to, ended);
  EXPECT_EQ(over.changes[0].reason, "TIMEOUT");
  EXPECT_EQ(over.in_vain, 0);
}

TEST(PoolPlan, ALostReplyIsLookedForBeforeAnotherJobIsSubmitted) {
  PoolLook look = pool({job(submitting)}, shows({}), 9);
  look.jobs[0].absent_s = 119;
  EXPECT_TRUE(plan(look).changes.empty());
  EXPECT_EQ(plan(look).submissions, 0);
  look.jobs[0].absent_s = 120;
  look.queue.answered = false;
  EXPECT_TRUE(plan(look).changes.empty());
  look.queue.answered = true;
  const PoolPlan given_up = plan(look);
  ASSERT_EQ(given_up.changes.size(), 1U);
  EXPECT_EQ(given_up.changes[0].to, lost);
  EXPECT_EQ(given_up.in_vain, 1);
  EXPECT_EQ(given_up.submissions, 0);
}

TEST(PoolPlan, ALostReplysJobIsFoundInTheHistoryAsWell) {
  PoolLook look = pool({job(submitting)}, shows({}));
  look.history = shows({{"7", "t", "COMPLETED"}});
  ASSERT_EQ(plan(look).changes.size(), 1U);
  EXPECT_EQ(plan(look).changes[0].to, ended);
  EXPECT_EQ(plan(look).changes[0].job_id, "7");
  look.history = shows({{"7", "t", "RUNNING"}});  // a record that was never closed
  EXPECT_TRUE(plan(look).changes.empty());
}

TEST(PoolPlan, AJobThatIsGivenUpAndTurnsUpIsCancelled) {
  const PoolPlan late = plan(pool({job(lost)}, shows({{"7", "t", "PENDING"}})));
  EXPECT_TRUE(late.changes.empty());
  ASSERT_EQ(late.cancellations.size(), 1U);
  EXPECT_EQ(late.cancellations[0].job_id, "7");
  EXPECT_TRUE(plan(pool({job(lost)}, shows({{"7", "t", "COMPLETED"}}))).cancellations.empty());
}

TEST(PoolPlan, WhatIsNotSeenHasNotEnded) {
  PoolLook look = pool({job(running, "7", Worker::silent)}, shows({}));
  look.jobs[0].absent_s = 329;
  EXPECT_TRUE(plan(look).changes.empty());
  look.jobs[0].absent_s = 330;
  EXPECT_EQ(plan(look).changes.at(0).to, ended);
  look.jobs[0].worker = Worker::here;  // It speaks to us: squeue is wrong.
  EXPECT_TRUE(plan(look).changes.empty());
  look.jobs[0].worker = Worker::left;
  look.jobs[0].absent_s = 0;
  EXPECT_EQ(plan(look).changes.at(0).to, ended);
  look.queue.answered = false;
  EXPECT_TRUE(plan(look).changes.empty());
}

TEST(PoolPlan, OfTwoJobsWithOneNameOneIsKept) {
  const auto two = shows({{"10", "t", "PENDING"}, {"9", "t", "PENDING"}});
  const PoolPlan first = plan(pool({job(submitting)}, two));
  EXPECT_EQ(first.changes.at(0).job_id, "9");
  ASSERT_EQ(first.cancellations.size(), 1U);
  EXPECT_EQ(first.cancellations[0].job_id, "10");
  // The later one's worker came first.
  const auto both = shows({{"9", "t", "RUNNING"}, {"10", "t", "RUNNING"}});
  const PoolPlan second = plan(pool({job(running, "10", Worker::here)}, both));
  EXPECT_TRUE(second.changes.empty());
  ASSERT_EQ(second.cancellations.size(), 1U);
  EXPECT_EQ(second.cancellations[0].job_id, "9");
  EXPECT_EQ(second.cancellations[0].how, Cancel::running);
}

TEST(PoolPlan, PausesAfterJobsInVain) {
  PoolLook look = pool({job(pending, "7")}, shows({{"7", "t", "FAILED"}}), 9);
  EXPECT_EQ(plan(look).in_vain, 1);
  EXPECT_EQ(plan(look).pause, "");
  EXPECT_EQ(plan(look).submissions, 0);
  look.failures = 4;
  EXPECT_EQ(plan(look).pause, "5 jobs in a row came to nothing; the newest: job 7: FAILED");
  look.queue = shows({{"7", "t", "CANCELLED"}});  // A person did it: no fault of the pool.
  EXPECT_EQ(plan(look).in_vain, 0);
  EXPECT_EQ(plan(look).pause, "");
}

TEST(PoolPlan, ARemovedPoolLetsItsJobsGo) {
  PoolLook look = pool({job(pending, "7"), job(running, "8", Worker::here)},
                       shows({{"7", "t", "PENDING"}, {"8", "u", "RUNNING"}}), 9);
  look.jobs[1].token = "u";
  look.state = PoolState::removing;
  const PoolPlan going = plan(look);
  ASSERT_EQ(going.cancellations.size(), 2U);
  EXPECT_EQ(going.cancellations[0].how, Cancel::waiting);
  EXPECT_EQ(going.cancellations[1].how, Cancel::running);
  EXPECT_EQ(going.submissions, 0);
  EXPECT_FALSE(going.over);
  look.jobs = {job(submitting)};
  look.queue = shows({});
  EXPECT_FALSE(plan(look).over);  // It may be there.
  look.jobs = {job(ended, "7"), job(lost)};
  EXPECT_TRUE(plan(look).over);
}

// Whatever is looked at: never more jobs than allowed, none judged twice, none ended unseen.
TEST(PoolPlan, KeepsItsPromisesForEveryLook) {
  std::mt19937 random(7);
  const auto pick = [&](auto... options) {
    const std::array all = {options...};
    return all[random() % sizeof...(options)];
  };
  for (int trial = 0; trial < 20'000; ++trial) {
    PoolLook look{.state = pick(PoolState::active, PoolState::paused, PoolState::removing),
                  .max_jobs = pick(1, 2, 4),
                  .failures = pick(0, 4),
                  .wanted = pick(0, 1, 30),
                  .resting = pick(true, false)};
    look.queue.answered = pick(true, true, false);
    for (const std::string token : {"a", "b", "c"}) {
      JobLook one{.state = pick(submitting, pending, running, lost, ended), .token = token};
      if (one.state != submitting && one.state != lost) one.job_id = pick("1", "2");
      one.worker = pick(Worker::none, Worker::here, Worker::silent, Worker::left);
      one.absent_s = pick(0.0, 200.0, 400.0);
      look.jobs.push_back(one);
      for (const char* id : {"1", "2"}) {
        if (!look.queue.answered || pick(0, 1) == 0) continue;
        look.queue.jobs.push_back({id, token, pick("PENDING", "RUNNING", "FAILED", "NEW_STATE")});
      }
    }
    const PoolPlan made = plan(look);
    std::vector<SlurmJobState> after;
    for (const JobLook& one : look.jobs) after.push_back(one.state);
    std::set<std::size_t> judged;
    for (const PoolPlan::Change& change : made.changes) {
      EXPECT_TRUE(judged.insert(change.job).second);
      EXPECT_TRUE(is_alive(look.jobs[change.job].state));
      EXPECT_TRUE(look.queue.answered);
      after[change.job] = change.to;
      EXPECT_TRUE((change.to != pending && change.to != running) || !change.job_id.empty());
    }
    std::int64_t alive = 0;
    for (const SlurmJobState state : after) alive += is_alive(state) ? 1 : 0;
    if (made.submissions > 0) {
      EXPECT_LE(alive + made.submissions, look.max_jobs);
      EXPECT_LE(made.submissions, look.wanted);
      EXPECT_TRUE(look.queue.answered && !look.resting && look.state == PoolState::active);
      for (std::size_t i = 0; i < after.size(); ++i) EXPECT_NE(after[i], submitting);
    }
    EXPECT_TRUE(!made.over || alive == 0);
  }
}

}  // namespace
}  // namespace sarsweep::coordinator
