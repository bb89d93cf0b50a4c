#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "coordinator/cli/commands.h"
#include "tests/support/canned_server.h"
#include "tests/support/temp_dir.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using Answer = CannedServer::Answer;

// A coordinator whose workers and queue the test chooses.
class Visit {
 public:
  Visit(json workers, json queue)
      : server([workers = std::move(workers), queue = std::move(queue)](const auto& asked) {
          if (asked.target == "/api/v1/workers") return Answer{200, workers};
          if (asked.target == "/api/v1/queue") return Answer{200, queue};
          return Answer{200, {{"version", "0"}, {"now_ms", 0}}};
        }) {
    std::ofstream(home.path() / "token") << "sar_1.secret\n";
    std::filesystem::permissions(home.path() / "token", std::filesystem::perms::owner_read);
    std::ofstream(home.path() / "url") << server.url() << "\n";
  }
  // {what: verdict}
  json verdicts() {
    Preferences preferences;
    preferences.home = home.path();
    preferences.format = Format::json;
    std::ostringstream out, err;
    Session session(preferences, out, err, {});
    exit = doctor(session);
    json found;
    for (const json& finding : json::parse(out.str())) found[finding["what"]] = finding["verdict"];
    return found;
  }

  CannedServer server;
  testing::TempDir home;
  Exit exit = Exit::ok;
};

const json kWorker = {{"state", "live"}, {"slots", {{{"device", "cpu"}}}}};

TEST(Doctor, FindsWhatStandsAndComparesClocks) {
  Visit visit({kWorker}, json::array());
  const json found = visit.verdicts();
  EXPECT_EQ(found["home"], "ok");
  EXPECT_EQ(found["coordinator"], "ok");
  EXPECT_EQ(found["workers"], "ok");
  EXPECT_EQ(found["clock"], "warning") << "the answer is of 1970";
  EXPECT_FALSE(found.contains("token"));
}

TEST(Doctor, RunsThatWaitForNobodyAreAProblem) {
  EXPECT_EQ(Visit({}, json::array()).verdicts()["workers"], "warning");
  Visit visit({{{"state", "gone"}, {"slots", json::array()}}}, {{{"name", "a"}}});
  EXPECT_EQ(visit.verdicts()["workers"], "problem");
  EXPECT_EQ(visit.exit, Exit::failed);
}

TEST(Doctor, RunsThatWaitForDrainedWorkersAloneAreWorthAWord) {
  json drained = kWorker;
  drained["drain"] = "finish";
  EXPECT_EQ(Visit({drained}, {{{"name", "a"}}}).verdicts()["workers"], "warning");
  EXPECT_EQ(Visit({drained}, json::array()).verdicts()["workers"], "ok");
  EXPECT_EQ(Visit({drained, kWorker}, {{{"name", "a"}}}).verdicts()["workers"], "ok");
}

TEST(Doctor, ATokenThatOthersCanReadIsAProblem) {
  Visit visit({kWorker}, json::array());
  std::filesystem::permissions(visit.home.path() / "token", std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(visit.verdicts()["token"], "problem");
  EXPECT_EQ(visit.exit, Exit::failed);
}

TEST(Doctor, NoCoordinatorIsAProblemWithACure) {
  Preferences preferences;
  preferences.home = "no-such-folder";
  preferences.url = "http://127.0.0.1:1";
  std::ostringstream out, err;
  Session session(preferences, out, err, {});
  EXPECT_EQ(doctor(session), Exit::failed);
  EXPECT_THAT(out.str(), HasSubstr("start one: sarsweep up"));
  EXPECT_THAT(out.str(), HasSubstr("there is no folder no-such-folder"));
}

}  // namespace
}  // namespace sarsweep::cli
