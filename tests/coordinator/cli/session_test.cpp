// Commands against a real HTTP server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "coordinator/cli/commands.h"
#include "tests/support/canned_server.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Answer = CannedServer::Answer;

class Shell {
 public:
  explicit Shell(std::function<Answer(const CannedServer::Asked&)> answer)
      : server(std::move(answer)) {
    std::string name = (std::filesystem::temp_directory_path() / "sarsweep-XXXXXX").string();
    home = mkdtemp(name.data());
    std::ofstream(home / "token") << "sar_1.secret\n";
    std::ofstream(home / "url") << server.url() << "\n";
  }
  ~Shell() { std::filesystem::remove_all(home); }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  Session session(Format format = Format::table, bool yes = false) {
    Preferences preferences;
    preferences.yes = yes;
    preferences.home = home;
    preferences.format = format;
    return {preferences, out, err, {}};
  }

  CannedServer server;
  std::filesystem::path home;
  std::ostringstream out;
  std::ostringstream err;
};

json run(const char* id, const char* state) {
  return {{"id", id},
          {"name", std::string("run-") + id},
          {"sweep", "s"},
          {"label", ""},
          {"state", state}};
}

TEST(Ls, FindsAddressAndTokenInTheHomeFolder) {
  Shell shell([](const auto&) { return Answer{200, {run("1", "done")}}; });
  Session session = shell.session(Format::json);
  EXPECT_EQ(ls(session, {.selector = "@s"}), Exit::ok);
  EXPECT_EQ(json::parse(shell.out.str()).at(0).at("name"), "run-1");
  const auto asked = shell.server.asked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].authorization, "Bearer sar_1.secret");
  EXPECT_THAT(asked[0].target, HasSubstr("/api/v1/runs?"));
  EXPECT_THAT(asked[0].target, HasSubstr("s"));
}

TEST(Ls, AnUnknownSelectorIsNotFoundWithTheServersWords) {
  Shell shell([](const auto&) {
    return Answer{404, {{"error", {{"code", "not_found"}, {"message", "no run 'x'; near: y"}}}}};
  });
  Session session = shell.session();
  try {
    ls(session, {.selector = "x"});
    FAIL() << "an unknown selector must throw";
  } catch (const Error& error) {
    EXPECT_EQ(exit_for(error.code()), Exit::not_found);
    EXPECT_STREQ(error.what(), "no run 'x'; near: y");
  }
}

TEST(Cancel, TellsEachChangeAndItsUndoAndSkipsWhatIsOver) {
  Shell shell([](const CannedServer::Asked& asked) {
    if (asked.method == "GET") return Answer{200, {run("1", "running"), run("2", "done")}};
    if (asked.target == "/api/v1/runs/2/cancel") {
      return Answer{409, {{"error", {{"code", "conflict"}, {"message", "run-2 is done"}}}}};
    }
    return Answer{200,
                  {{"id", "1"},
                   {"name", "run-1"},
                   {"was", "running"},
                   {"state", "cancelling"},
                   {"undo", "sarsweep resume run-1"}}};
  });
  Session session = shell.session();
  EXPECT_EQ(apply_verb(session, {.verb = "cancel", .runs = {{"@s"}}}), Exit::ok);
  EXPECT_EQ(shell.err.str(),
            "run-1: running -> cancelling\nundo: sarsweep resume run-1\nrun-2 is done\n");
}

TEST(Cancel, MayChooseByStateAndConfigAlone) {
  Shell shell([](const CannedServer::Asked& asked) {
    if (asked.method == "GET") return Answer{200, {run("1", "queued")}};
    return Answer{200, {{"id", "1"}, {"name", "run-1"}, {"was", "queued"}, {"state", "cancelled"}}};
  });
  Session session = shell.session();
  const Selection chosen{.selectors = {}, .state = "queued", .where = "unet.rank >= 64"};
  EXPECT_EQ(apply_verb(session, {.verb = "cancel", .runs = chosen}), Exit::ok);
  EXPECT_THAT(
      shell.server.asked().front().target,
      AllOf(HasSubstr("state=queued"), HasSubstr("where=unet.rank"), Not(HasSubstr("selector"))));
}

TEST(Retry, FromScratchIsNotDoneUnasked) {
  Shell shell([](const auto&) { return Answer{200, {run("1", "failed")}}; });
  Session session = shell.session();
  EXPECT_THROW(apply_verb(session, {.verb = "retry", .runs = {{"1"}}, .from_scratch = true}),
               Error);
  EXPECT_EQ(shell.server.asked().size(), 1U);
}

TEST(Wait, EndsWithTheWorstOfTheRuns) {
  std::atomic<int> looks = 0;
  Shell shell([&looks](const auto&) {
    const bool early = looks++ == 0;
    return Answer{200, {run("1", early ? "running" : "done"), run("2", "failed")}};
  });
  Session session = shell.session();
  EXPECT_EQ(wait(session, {.runs = {{"@s"}}}), Exit::failed);
  EXPECT_EQ(shell.err.str(), "run-1: running\nrun-2: failed\nrun-1: done\n");
}

TEST(Wait, TimesOutWith124) {
  Shell shell([](const auto&) { return Answer{200, {run("1", "running")}}; });
  Session session = shell.session();
  EXPECT_EQ(wait(session, {.runs = {{"1"}}, .timeout_s = 0.01}), Exit::timeout);
}

TEST(Submit, TellsTheErrorsOfARefusedFile) {
  Shell shell([](const auto&) {
    return Answer{422,
                  {{"error", {{"code", "invalid"}, {"message", "the sweep has 1 problem"}}},
                   {"diagnostics", {{{"severity", "error"}, {"message", "no"}}}}}};
  });
  std::ofstream(shell.home / "a.yaml") << "sweep: a\n";
  Session session = shell.session();
  EXPECT_EQ(submit(session, {.file = (shell.home / "a.yaml").string()}), Exit::usage);
  ASSERT_EQ(shell.server.asked().size(), 1U);
  EXPECT_EQ(shell.server.asked()[0].target, "/api/v1/sweeps");
  EXPECT_THAT(shell.err.str(), HasSubstr("plan: 1 error, 0 warnings; nothing submitted"));
}

TEST(Submit, CarriesAnIdempotencyKeyAndTellsTheUndo) {
  Shell shell([](const auto&) {
    return Answer{200,
                  {{"sweep", "a"},
                   {"url", "http://u"},
                   {"created", 1},
                   {"kept", 0},
                   {"cached", 0},
                   {"withdrawn", 0},
                   {"runs", {"r"}}}};
  });
  std::ofstream(shell.home / "a.yaml") << "sweep: a\n";
  Session session = shell.session();
  EXPECT_EQ(submit(session, {.file = (shell.home / "a.yaml").string()}), Exit::ok);
  EXPECT_EQ(shell.server.asked().back().idempotency_key.size(), 32U);
  EXPECT_THAT(shell.err.str(), HasSubstr("undo: sarsweep cancel @a"));
  EXPECT_EQ(shell.out.str(), "a  http://u\n");
}

TEST(Submit, WithdrawsOnlyWhatWasConfirmed) {
  Shell shell([](const CannedServer::Asked& asked) {
    if (json::parse(asked.body)["withdraw"] == false) {
      return Answer{409,
                    {{"error", {{"code", "conflict"}, {"message", "1 run left the file"}}},
                     {"withdraws", {"old-run"}}}};
    }
    return Answer{200,
                  {{"sweep", "a"},
                   {"url", "http://u"},
                   {"created", 0},
                   {"kept", 1},
                   {"cached", 0},
                   {"withdrawn", 1},
                   {"runs", json::array()}}};
  });
  std::ofstream(shell.home / "a.yaml") << "sweep: a\n";
  const SubmitOptions file{.file = (shell.home / "a.yaml").string()};
  Session unasked = shell.session();
  EXPECT_THROW(submit(unasked, file), Error) << "nobody is there to answer";
  EXPECT_THAT(shell.err.str(), HasSubstr("withdraws old-run"));
  EXPECT_EQ(shell.server.asked().size(), 1U);
  Session sure = shell.session(Format::table, /*yes=*/true);
  EXPECT_EQ(submit(sure, file), Exit::ok);
  EXPECT_THAT(shell.err.str(), HasSubstr("1 withdrawn"));
}

TEST(ApiClient, SaysUnreachableWhereNobodyListens) {
  std::string url;
  {
    CannedServer gone([](const auto&) { return Answer{}; });
    url = gone.url();
  }
  const auto reply = client::ApiClient(url, "", 2).get("/api/v1/info");
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code, ErrorCode::unreachable);
  EXPECT_THROW(client::ApiClient("localhost:1", ""), Error);
}

}  // namespace
}  // namespace sarsweep::cli
