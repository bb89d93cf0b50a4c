#include "coordinator/slurm/job_script.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "schema/base/command.h"
#include "schema/base/subprocess.h"
#include "tests/support/temp_dir.h"

namespace sarsweep::coordinator {
namespace {

using std::chrono::seconds;

SlurmPoolRequest pool() {
  SlurmPoolRequest request;
  request.name = "gpu";
  request.time_limit_s = 14'400;
  request.url = "http://head:8765";
  request.token_file = "/home/a/worker-token";
  return request;
}

// What a shell makes of the script's command, a word a line: the worker is a program that prints.
std::string words_of(const SlurmPoolRequest& request) {
  const testing::TempDir folder;
  std::string script = job_script(request, "/usr/bin/printf");
  script.replace(script.find("--url"), 0, "'%s\\n' ");
  const CommandOutcome outcome =
      run_command({find_program("env").string(), "SLURM_JOB_NAME=sarsweep-1f",
                   "TMPDIR=" + folder.path().string(), find_program("sh").string(), "-c", script,
                   "script", "gpu-3"},
                  seconds(60));
  EXPECT_TRUE(outcome.succeeded()) << outcome.errors;
  // Its own folder, that nobody else could have made before it.
  std::string words = outcome.output;
  for (const auto& made : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_EQ(made.status().permissions(), std::filesystem::perms::owner_all);
    words.replace(words.find(made.path().string()), made.path().string().size(), "HOME");
  }
  return words;
}

TEST(JobScript, BecomesTheWorker) {
  EXPECT_EQ(words_of(pool()),
            "--url\nhttp://head:8765\n--token-file\n/home/a/worker-token\n--name\ngpu-3\n--home\n"
            "HOME\n--slurm-token\nsarsweep-1f\n--time-left\n14400s\n"
            "--idle-timeout\n300s\n");
}

TEST(JobScript, TellsWhatThePoolSays) {
  SlurmPoolRequest request = pool();
  request.save_time_s = 90;
  request.workers = 4;
  request.idle_timeout_s = 60;
  request.ca = "/a b/ca.pem";
  EXPECT_NE(words_of(request).find("--idle-timeout\n60s\n--ca\n/a b/ca.pem\n--save-time\n90s\n"
                                   "--workers\n4\n"),
            std::string::npos);
}

TEST(JobScript, AShellFindsNothingToDoInItsWords) {
  SlurmPoolRequest request = pool();
  request.token_file = "/a b/$(exit 1)'\"`exit 1`/*";
  EXPECT_NE(words_of(request).find("\n/a b/$(exit 1)'\"`exit 1`/*\n"), std::string::npos);
}

}  // namespace
}  // namespace sarsweep::coordinator
