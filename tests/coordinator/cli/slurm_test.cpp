// `sarsweep slurm`, from the words typed to the request sent and what is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "coordinator/cli/arguments.h"
#include "tests/support/canned_server.h"
#include "tests/support/temp_dir.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

json pool(json jobs = json::array()) {
  return {{"name", "gpu"},
          {"max_jobs", 4},
          {"time_limit_s", 14400},
          {"idle_timeout_s", 300},
          {"save_time_s", nullptr},
          {"workers", 2},
          {"url", "http://h:1"},
          {"token_file", "/a b/token"},
          {"sbatch", {"-p", "gpu", "--comment=it's"}},
          {"state", "active"},
          {"reason", ""},
          {"trouble", ""},
          {"counts", {{"running", 1}, {"pending", 2}, {"submitting", 1}}},
          {"jobs", std::move(jobs)},
          {"was", "active"}};
}

class Typist {
 public:
  explicit Typist(json reply)
      : server_([reply = std::move(reply)](const auto&) {
          return CannedServer::Answer{200, reply};
        }) {
    std::ofstream(home_.path() / "token") << "sar_1.secret\n";
    std::ofstream(home_.path() / "url") << server_.url() << "\n";
  }
  // The exit code; an Error goes through.
  Exit type(std::vector<std::string> words) {
    words.insert(words.begin(), {"--home", home_.path().string()});
    const auto parsed = parse_arguments(words);
    const auto* command = std::get_if<Command>(&parsed);
    if (command == nullptr) {
      err << std::get<Refusal>(parsed).text;
      return std::get<Refusal>(parsed).exit;
    }
    Session session(command->preferences, out, err, {});
    return command->run(session);
  }
  std::vector<CannedServer::Asked> asked() const { return server_.asked(); }
  std::string url() const { return server_.url(); }

  std::ostringstream out, err;

 private:
  testing::TempDir home_;
  CannedServer server_;
};

const std::vector<std::string> kAdd = {"slurm",        "add", "--max-jobs",   "4",
                                       "--time-limit", "4h",  "--token-file", "/t/token"};

std::vector<std::string> with(std::vector<std::string> words,
                              const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Slurm, WhatFollowsTheDashesGoesToSbatchAsItIs) {
  Typist typist(pool());
  EXPECT_EQ(typist.type(with(kAdd, {"--name", "gpu", "--", "-p", "gpu", "--gres", "gpu:1", "-o",
                                    "json", "--url", "--help"})),
            Exit::ok);
  ASSERT_EQ(typist.asked().size(), 1U);
  EXPECT_EQ(typist.asked()[0].target, "/api/v1/slurm/pools");
  const json sent = json::parse(typist.asked()[0].body);
  EXPECT_EQ(sent["sbatch"],
            json({"-p", "gpu", "--gres", "gpu:1", "-o", "json", "--url", "--help"}));
  EXPECT_EQ(sent["max_jobs"], 4);
  EXPECT_EQ(sent["time_limit_s"], 14400);
  EXPECT_EQ(sent["idle_timeout_s"], 300);
  EXPECT_FALSE(sent.contains("save_time_s"));
  EXPECT_EQ(sent["token_file"], "/t/token");
  EXPECT_EQ(sent["url"], typist.url());
  EXPECT_THAT(typist.err.str(), AllOf(HasSubstr("there is no /t/token on this machine"),
                                      HasSubstr("undo: sarsweep slurm rm gpu")));
}

TEST(Slurm, MistakesNameTheThingTheValueAndTheCure) {
  Typist typist(pool());
  const auto refusal = [&](const std::vector<std::string>& words) -> std::string {
    try {
      typist.err.str("");
      typist.type(words);
      return typist.err.str();
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(
      refusal({"slurm", "add", "--max-jobs", "4", "--token-file", "t", "--time-limit", "4hr"}),
      "--time-limit '4hr' is no duration; write 4h, 90m or 1d12h");
  EXPECT_THAT(refusal(with(kAdd, {"--", "job.sh"})), HasSubstr("'job.sh' is no option of sbatch"));
  EXPECT_THAT(refusal(with(kAdd, {"--save-time", "5h"})), HasSubstr("--save-time 5h takes all of"));
  EXPECT_THAT(refusal({"slurm", "add"}), HasSubstr("--max-jobs is required"));
  EXPECT_THAT(refusal({"slurm", "rm"}), HasSubstr("pool is required"));
  EXPECT_THAT(refusal({"slurm"}), HasSubstr("subcommand"));
  EXPECT_TRUE(typist.asked().empty());
}

TEST(Slurm, ListsPoolsAndTheirJobs) {
  Typist typist(json::array({pool(json::array({{{"job_id", "12"},
                                                {"state", "pending"},
                                                {"worker", nullptr},
                                                {"reason", "Priority"},
                                                {"log", "/s/gpu-12.log"}}}))}));
  EXPECT_EQ(typist.type({"slurm", "ls"}), Exit::ok);
  EXPECT_THAT(typist.out.str(), AllOf(HasSubstr("1 running, 2 pending, 1 in doubt of 4"),
                                      HasSubstr("Priority"), HasSubstr("/s/gpu-12.log")));
}

TEST(Slurm, EveryChangeSaysHowToUndoIt) {
  Typist typist(pool());
  typist.type({"slurm", "pause", "gpu"});
  EXPECT_THAT(typist.err.str(), HasSubstr("undo: sarsweep slurm resume gpu\n"));
  typist.type({"slurm", "resume", "gpu"});
  EXPECT_THAT(typist.err.str(), HasSubstr("undo: sarsweep slurm pause gpu\n"));
  typist.type({"slurm", "rm", "gpu"});
  EXPECT_THAT(typist.err.str(),
              EndsWith("undo: sarsweep slurm add --name gpu --max-jobs 4 --time-limit 14400s "
                       "--idle-timeout 300s --workers 2 --url http://h:1 --token-file '/a b/token' "
                       "-- -p gpu '--comment=it'\\''s'\n"));
  EXPECT_EQ(typist.asked().back().target, "/api/v1/slurm/pools/gpu/remove");
}

}  // namespace
}  // namespace sarsweep::cli
