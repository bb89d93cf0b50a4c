#include "coordinator/slurm/slurm_commands.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

TEST(Sbatch, TheIdIsALineOfItsOwn) {
  EXPECT_EQ(parse_job_id("123\n"), "123");
  EXPECT_EQ(parse_job_id("123;north\n"), "123");
  EXPECT_EQ(parse_job_id("Welcome to the cluster!\n123\n"), "123");
  for (const char* none : {"", "\n", "Submitted batch job 123\n", "12\n13\n", "-1\n", "0x1f\n"}) {
    EXPECT_EQ(parse_job_id(none), "") << none;
  }
}

TEST(Sbatch, ThePoolsOwnWordsComeLastAndWin) {
  const JobOrder order{.token = "sarsweep-1f",
                       .script = "/h/gpu.sh",
                       .worker_name = "gpu-1",
                       .output = "/s/gpu-%j.log",
                       .time_limit_s = 61,
                       .arguments = {"-p", "gpu", "--output=/mine"}};
  EXPECT_EQ(sbatch_arguments(order),
            (std::vector<std::string>{"--output=/s/gpu-%j.log", "-p", "gpu", "--output=/mine",
                                      "--parsable", "--no-requeue", "--job-name=sarsweep-1f",
                                      "--time=2", "/h/gpu.sh", "gpu-1"}));
}

TEST(Sbatch, WhatAPoolCannotHaveIsRefused) {
  for (const char* word :
       {"--array=1-3", "--arr=1", "-a1-3", "--job-name=x", "-Jx", "--wrap=true", "--time=5", "-t5",
        "-M", "--clusters=b", "--requeue", "--test-only", "-W", "-H", "--hold", ":", "--"}) {
    try {
      check_arguments({"-p", word});
      ADD_FAILURE() << word << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid) << word;
      EXPECT_EQ(error.field(), "sbatch");
    }
  }
  EXPECT_NO_THROW(check_arguments({"-p", "gpu", "--gres", "gpu:1", "--time-min=5", "-A", "proj",
                                   "--mem=4G", "--exclude=n[1-3]", "-c", "8", "-N", "1"}));
}

TEST(Squeue, ItsLinesAreJobs) {
  const QueueLook look = parse_jobs(
      "12|PENDING|sarsweep-1f|Priority\n13|RUNNING|sarsweep-2a|None\n14|PENDING|b|(a|b)\n\n");
  ASSERT_TRUE(look.answered);
  ASSERT_EQ(look.jobs.size(), 3U);
  EXPECT_EQ(look.jobs[0].job_id, "12");
  EXPECT_EQ(look.jobs[0].state, "PENDING");
  EXPECT_EQ(look.jobs[0].name, "sarsweep-1f");
  EXPECT_EQ(look.jobs[0].reason, "Priority");
  EXPECT_EQ(look.jobs[1].reason, "");
  EXPECT_EQ(look.jobs[2].reason, "(a|b)");
  EXPECT_TRUE(parse_jobs("").answered);
}

TEST(Squeue, SacctsLinesAreJobsAsWell) {
  const QueueLook look = parse_jobs("12|CANCELLED by 1000|sarsweep-1f\n");
  ASSERT_TRUE(look.answered);
  EXPECT_EQ(look.jobs.at(0).state, "CANCELLED");
}

TEST(Squeue, AnythingElseIsNoAnswer) {
  for (const char* garbage : {"slurm_load_jobs error: Socket timed out\n", "12|PENDING\n", "||\n",
                              "12|PENDING|a|x\nkilled\n"}) {
    const QueueLook look = parse_jobs(garbage);
    EXPECT_FALSE(look.answered) << garbage;
    EXPECT_TRUE(look.jobs.empty()) << garbage;
    EXPECT_FALSE(look.trouble.empty()) << garbage;
  }
}

}  // namespace
}  // namespace sarsweep::coordinator
