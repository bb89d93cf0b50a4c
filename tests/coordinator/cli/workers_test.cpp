// `sarsweep worker ls|drain|undrain`, from the words typed to the request sent and what is told.
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json worker(const std::string& name, const std::string& state, const std::string& drain) {
  return {{"id", "id-" + name},
          {"name", name},
          {"host", "h"},
          {"state", state},
          {"draining", false},
          {"drain", drain},
          {"drained_by", drain == "none" ? "" : "admin"},
          {"slots",
           {{{"index", 0}, {"device", "cpu"}, {"run_name", "heart-rose-2"}, {"resting", ""}},
            {{"index", 1},
             {"device", "cuda:0"},
             {"run_name", nullptr},
             {"resting", "3 GiB of its 24 GiB are in use"}}}}};
}

CannedServer::Answer answer(const CannedServer::Asked& asked) {
  if (asked.target == "/api/v1/workers") {
    return {200,
            {worker("w", "live", "none"), worker("v", "silent", "finish"),
             worker("old", "gone", "none")}};
  }
  const bool now = json::parse(asked.body).value("now", false);
  const bool lifts = asked.target.ends_with("/undrain");
  return {200,
          {{"name", asked.target.substr(19, 1)},
           {"drain", lifts ? "none"
                     : now ? "now"
                           : "finish"},
           {"was", lifts ? "finish" : "none"},
           {"runs", {"radar/heart-rose-2"}},
           {"undo", "the opposite"}}};
}

class Typist {
 public:
  Typist() : server_(&answer) { std::ofstream(home_.path() / "url") << server_.url() << "\n"; }
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
  // The requests that change something.
  std::vector<std::string> changes() const {
    std::vector<std::string> found;
    for (const auto& asked : server_.asked()) {
      if (asked.method == "POST") found.push_back(asked.target + " " + asked.body);
    }
    return found;
  }

  std::ostringstream out, err;

 private:
  testing::TempDir home_;
  CannedServer server_;
};

TEST(Workers, AreListedWithWhatTheyDoAndWhoWantsThemToRest) {
  Typist typist;
  EXPECT_EQ(typist.type({"worker", "ls"}), Exit::ok);
  EXPECT_THAT(typist.out.str(), AllOf(HasSubstr("heart-rose-2"),
                                      HasSubstr("drained by admin; cuda:0 rests: 3 GiB of its 24 "
                                                "GiB are in use")));
}

TEST(Workers, DrainSaysWhatBecomesOfTheRunsAndHowToUndoIt) {
  Typist typist;
  EXPECT_EQ(typist.type({"worker", "drain", "w"}), Exit::ok);
  EXPECT_EQ(typist.err.str(),
            "w: takes no new runs; ending there: radar/heart-rose-2\nundo: the opposite\n");
  typist.err.str("");
  EXPECT_EQ(typist.type({"worker", "drain", "--now", "id-w", "v"}), Exit::ok);
  EXPECT_THAT(typist.err.str(),
              HasSubstr("w: takes no new runs; saving, to go on elsewhere: radar/heart-rose-2\n"));
  EXPECT_THAT(typist.changes(), ElementsAre("/api/v1/workers/id-w/drain {}",
                                            R"(/api/v1/workers/id-w/drain {"now":true})",
                                            R"(/api/v1/workers/id-v/drain {"now":true})"));
}

TEST(Workers, AllAreThoseThatAreThere) {
  Typist typist;
  EXPECT_EQ(typist.type({"worker", "undrain", "--all"}), Exit::ok);
  EXPECT_THAT(typist.changes(),
              ElementsAre("/api/v1/workers/id-w/undrain {}", "/api/v1/workers/id-v/undrain {}"));
  EXPECT_THAT(typist.err.str(), HasSubstr("takes runs again"));
}

TEST(Workers, MistakesNameTheThingAndTheCure) {
  Typist typist;
  EXPECT_EQ(typist.type({"worker", "drain"}), Exit::usage);
  EXPECT_THAT(typist.err.str(), HasSubstr("workers, or --all, is required"));
  typist.err.str("");
  EXPECT_EQ(typist.type({"worker", "drain", "w", "--all"}), Exit::usage);
  try {
    typist.type({"worker", "drain", "x"});
    FAIL() << "there is no x";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_STREQ(error.what(), "no worker is called 'x'; there are w, v, old");
  }
  EXPECT_THAT(typist.changes(), ElementsAre());
}

}  // namespace
}  // namespace sarsweep::cli
