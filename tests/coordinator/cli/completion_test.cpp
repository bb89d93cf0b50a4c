// What the program offers a shell, asked as the shells' scripts ask.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "coordinator/cli/arguments.h"
#include "tests/support/canned_server.h"

namespace sarsweep::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

CannedServer::Answer answer(const CannedServer::Asked& asked) {
  if (asked.target.rfind("/api/v1/sweeps", 0) == 0) {
    return {200, {{{"sweep", "radar"}}, {{"sweep", "rain"}}}};
  }
  if (asked.target.rfind("/api/v1/fields", 0) == 0) {
    return {200, {{{"name", "unet.lr"}}, {{"name", "unet.rank"}}, {{"name", "vae.lr"}}}};
  }
  if (asked.target.rfind("/api/v1/workers", 0) == 0) {
    return {200, {{{"name", "big-iron"}}, {{"name", "tiny"}}}};
  }
  // Whole documents are not fetched for a name: there may be ten thousand.
  if (asked.target.rfind("/api/v1/names", 0) != 0) return {500, nlohmann::json::object()};
  nlohmann::json names = nlohmann::json::array();
  for (const char* name : {"heart-rose-2", "lake-mont-9"}) {
    names.push_back({{"name", name}, {"sweep", "radar"}});
  }
  return {200, names};
}

std::vector<std::string> offered(std::vector<std::string> typed, const std::string& url) {
  typed.insert(typed.begin(), {"complete", "--"});
  const auto parsed = parse_arguments(typed);
  Preferences preferences;
  preferences.url = url;
  preferences.home = "/nowhere";
  std::ostringstream out, err;
  Session session(preferences, out, err, {});
  EXPECT_EQ(std::get<Command>(parsed).run(session), Exit::ok);
  EXPECT_EQ(err.str(), "");
  std::vector<std::string> lines;
  std::istringstream text(out.str());
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST(Completion, CommandsOptionsAndChoicesNeedNoCoordinator) {
  const auto at_rest = [](std::vector<std::string> typed) { return offered(std::move(typed), ""); };
  EXPECT_THAT(at_rest({""}), Contains("submit"));
  EXPECT_THAT(at_rest({""}), Not(Contains("complete")));
  EXPECT_THAT(at_rest({"pa"}), ElementsAre("pause"));
  EXPECT_THAT(at_rest({"import", ""}), ElementsAre("wandb"));
  EXPECT_THAT(at_rest({"worker", ""}), ElementsAre("drain", "ls", "undrain"));
  EXPECT_THAT(at_rest({"worker", "drain", "--n"}), ElementsAre("--now"));
  EXPECT_THAT(at_rest({"plan", "--s"}), ElementsAre("--set"));
  EXPECT_THAT(at_rest({"--url", "plan", "ret"}), ElementsAre("retry"));
  EXPECT_THAT(at_rest({"ls", "-o", ""}),
              ElementsAre("csv", "json", "jsonl", "latex", "markdown", "table"));
  EXPECT_THAT(at_rest({"ls", "--state", "pa"}), ElementsAre("paused", "pausing"));
  EXPECT_THAT(at_rest({"submit", ""}), IsEmpty()) << "files are the shell's";
  EXPECT_THAT(at_rest({"completion", ""}), ElementsAre("bash", "fish", "zsh"));
}

TEST(Completion, NamesComeFromTheCoordinator) {
  CannedServer server(&answer);
  const std::string url = server.url();
  EXPECT_THAT(offered({"show", ""}, url),
              ElementsAre("@radar", "@rain", "heart-rose-2", "lake-mont-9"));
  EXPECT_THAT(offered({"pause", "heart-rose-2", "radar/l"}, url), ElementsAre("radar/lake-mont-9"));
  EXPECT_THAT(offered({"wait", "@ra"}, url), ElementsAre("@radar", "@rain"));
  EXPECT_THAT(offered({"leaderboard", "ra"}, url), ElementsAre("radar", "rain"));
  EXPECT_THAT(offered({"worker", "drain", "big"}, url), ElementsAre("big-iron"));
  EXPECT_THAT(offered({"explain", "unet"}, url), ElementsAre("unet.lr", "unet.rank"));
}

TEST(Completion, WithoutACoordinatorThereIsNothingToOfferAndNoError) {
  EXPECT_THAT(offered({"show", ""}, "http://127.0.0.1:9"), IsEmpty());
}

}  // namespace
}  // namespace sarsweep::cli
