#include <gtest/gtest.h>

#include <fstream>

#include <nlohmann/json.hpp>

#include "schema/base/digest.h"
#include "tests/coordinator/http/served.h"

namespace sarsweep {
namespace {

using coordinator::Role;
using coordinator::Route;
using nlohmann::json;
using testing::body_of;
using testing::Served;
using testing::status_of;

json document(const std::string& response) { return json::parse(body_of(response)); }

TEST(HttpServer, AnswersTheAdminWithATokenAndNobodyWithout) {
  const Served s;
  EXPECT_EQ(status_of(s.ask("GET", "/api/v1/sweeps", s.bearer())), 200);
  EXPECT_EQ(status_of(s.ask("GET", "/api/v1/sweeps")), 401);
  EXPECT_EQ(status_of(s.ask("GET", "/healthz")), 200);
}

TEST(HttpServer, IsNotReadyWhereTheCoordinatorSaysSo) {
  const Served s;
  EXPECT_EQ(status_of(s.ask("GET", "/readyz")), 200);
  std::ofstream(s.home.path() / "full") << "x";
  const std::string reply = s.ask("GET", "/readyz");
  EXPECT_EQ(status_of(reply), 503);
  EXPECT_EQ(document(reply)["reasons"][0], "3 MB free in the home folder");
  EXPECT_EQ(status_of(s.ask("GET", "/healthz")), 200) << "it answers all the same";
}

TEST(HttpServer, TurnsErrorsIntoOneShapeAndKeepsUnexpectedTextToItself) {
  const Served s;
  const std::string missing = s.ask("GET", "/api/v1/sweeps/nothing", s.bearer());
  EXPECT_EQ(status_of(missing), 404);
  EXPECT_EQ(document(missing)["error"]["code"], "not_found");
  const std::string broken = s.ask("GET", "/api/v1/sweeps/boom", s.bearer());
  EXPECT_EQ(status_of(broken), 500);
  EXPECT_EQ(broken.find("secret"), std::string::npos);
}

TEST(HttpServer, SaysThatADiskIsFullAndWhenToTryAgain) {
  Served s;
  const std::string full = s.ask("GET", "/api/v1/sweeps/full", s.bearer());
  EXPECT_EQ(status_of(full), 507);
  EXPECT_NE(full.find("\"no_space\""), std::string::npos);
  EXPECT_NE(full.find("Retry-After: 5"), std::string::npos);
}

TEST(HttpServer, RefusesASubmitWithItsDiagnostics) {
  const Served s;
  const std::string reply = s.ask("POST", "/api/v1/sweeps", s.bearer(), R"({"text": "bad"})");
  EXPECT_EQ(status_of(reply), 422);
  EXPECT_EQ(document(reply)["diagnostics"].size(), 1);
  EXPECT_EQ(document(reply)["error"]["code"], "invalid");
}

TEST(HttpServer, RefusesUnknownKeysInBodyAndQuery) {
  const Served s;
  EXPECT_EQ(status_of(s.ask("POST", "/api/v1/plan", s.bearer(), R"({"text": "", "txet": 1})")),
            400);
  EXPECT_EQ(status_of(s.ask("GET", "/api/v1/runs?limti=3", s.bearer())), 400);
  EXPECT_EQ(status_of(s.ask("GET", "/api/v1/runs?limit=x", s.bearer())), 400);
  EXPECT_EQ(document(s.ask("GET", "/api/v1/runs?limit=3", s.bearer()))["limit"], 3);
}

TEST(HttpServer, LogsInOnceByCodeAndAsksCookiesForTheirCsrfToken) {
  Served s;
  const std::string code = s.identity.new_login_code();
  const std::string login = s.ask("POST", "/api/v1/login", {}, json{{"code", code}}.dump());
  ASSERT_EQ(status_of(login), 200);
  EXPECT_NE(login.find("HttpOnly; SameSite=Strict"), std::string::npos);
  EXPECT_EQ(status_of(s.ask("POST", "/api/v1/login", {}, json{{"code", code}}.dump())), 401);

  const std::size_t at = login.find("sarsweep_session=");
  const std::string cookie = "Cookie: " + login.substr(at, login.find(';', at) - at) + "\r\n";
  const std::string csrf = document(login)["csrf"];
  EXPECT_EQ(document(s.ask("GET", "/api/v1/session", cookie))["csrf"], csrf);
  EXPECT_EQ(status_of(s.ask("POST", "/api/v1/runs/r1/cancel", cookie, "{}")), 403);
  EXPECT_EQ(status_of(s.ask("POST", "/api/v1/runs/r1/cancel",
                            cookie + "X-CSRF-Token: " + csrf + "\r\n", "{}")),
            200);
}

TEST(HttpServer, CountsWrongTokensAgainstTheAddress) {
  const Served s;
  const std::string wrong = "Authorization: Bearer sar_0.1\r\n";
  for (int i = 0; i < 10; ++i) EXPECT_EQ(status_of(s.ask("GET", "/api/v1/sweeps", wrong)), 401);
  EXPECT_EQ(status_of(s.ask("GET", "/api/v1/sweeps", wrong)), 429);
  EXPECT_EQ(status_of(s.ask("GET", "/api/v1/sweeps", s.bearer())), 200);
}

TEST(HttpServer, AppendsOnlyAtTheStoredOffsetAndOnlyForTheLease) {
  const Served s;
  const std::string worker = s.bearer("worker-token");
  const std::string path = "/api/v1/data/events?run_id=r&lease_epoch=1&offset=";
  const std::string grant = worker + "X-Sarsweep-Grant: grant\r\n";
  EXPECT_EQ(document(s.ask("POST", path + "0", grant, "{}\n", true))["stored"], 3);
  const std::string conflict = s.ask("POST", path + "9", grant, "{}\n", true);
  EXPECT_EQ(status_of(conflict), 409);
  EXPECT_EQ(document(conflict)["stored"], 7);
  const std::string fenced = s.ask("POST", path + "0", worker, "{}\n", true);
  EXPECT_EQ(document(fenced)["error"]["code"], "fenced");
}

TEST(HttpServer, StoresAnUploadUnderItsDigestAndNothingElse) {
  const Served s;
  const std::string bytes = "\x89PNG\r\n\x1a\npicture";
  const std::string worker = s.bearer("worker-token") + "X-Sarsweep-Grant: grant\r\n";
  const std::string path = "/api/v1/data/artifacts/" + sha256(bytes) + "?run_id=r&lease_epoch=1";
  EXPECT_EQ(status_of(s.ask("PUT", path, worker, "other", true)), 400);
  EXPECT_TRUE(std::filesystem::is_empty(s.core.incoming_folder()));
  EXPECT_EQ(status_of(s.ask("PUT", path, worker, bytes, true)), 200);
  const std::string got = s.ask("GET", "/api/v1/artifacts/" + sha256(bytes), s.bearer());
  EXPECT_EQ(body_of(got), bytes);
  EXPECT_NE(got.find("image/png"), std::string::npos);
}

TEST(HttpServer, StoresNothingOfAnUploadWithoutALease) {
  const Served s;
  const std::string bytes(3 << 20, 'x');  // more than the sockets hold: it must be read to be told
  const std::string path = "/api/v1/data/artifacts/" + sha256(bytes) + "?run_id=r&lease_epoch=1";
  const std::string refused = s.ask("PUT", path, s.bearer("worker-token"), bytes, true);
  EXPECT_EQ(status_of(refused), 409);
  EXPECT_EQ(document(refused)["error"]["code"], "fenced");
  EXPECT_TRUE(std::filesystem::is_empty(s.core.incoming_folder()));
}

TEST(HttpServer, DrainsAndUndrainsInTheNameOfTheCaller) {
  const Served s;
  const auto drain = [&](const std::string& verb, const std::string& body) {
    return s.ask("POST", "/api/v1/workers/w7/" + verb, s.bearer(), body);
  };
  EXPECT_EQ(document(drain("drain", ""))["drain"], "finish");
  EXPECT_EQ(document(drain("drain", R"({"now":true})"))["drain"], "now");
  EXPECT_EQ(document(drain("undrain", "{}"))["drain"], "none");
  EXPECT_EQ(document(drain("undrain", ""))["id"], "w7");
  EXPECT_EQ(status_of(drain("undrain", R"({"now":true})")), 400);
  EXPECT_EQ(status_of(drain("drain", R"({"later":true})")), 400);
  EXPECT_EQ(status_of(drain("rest", "")), 404);
}

// Every route against every role: made from the route table, so that no route escapes it.
TEST(HttpServer, EveryRouteAsksForItsRole) {
  Served s;
  std::string none;
  for (const Route& route : coordinator::all_routes({s.core, s.identity, &none, &none})) {
    std::string path = route.pattern;
    for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{')) {
      path.replace(at, path.find('}') - at + 1, "cancel");
    }
    const bool data = route.listener == coordinator::Listener::data;
    const auto status = [&](const std::string& headers) {
      return status_of(s.ask(route.method, path, headers, route.method == "GET" ? "" : "{}", data));
    };
    const int anyone = status({});
    const int admin = status(s.bearer());
    const int worker = status(s.bearer("worker-token"));
    if (route.role == Role::nobody) {
      EXPECT_NE(anyone, 403) << route.pattern;
      continue;
    }
    EXPECT_EQ(anyone, 401) << route.pattern;
    EXPECT_EQ(admin == 403, route.role == Role::worker) << route.pattern << " " << admin;
    EXPECT_EQ(worker == 403, route.role != Role::worker) << route.pattern << " " << worker;
  }
}

TEST(HttpServer, ServesTheDashboardWithoutATokenAndWithAPolicy) {
  const Served s;
  const std::string page = s.ask("GET", "/");
  EXPECT_EQ(status_of(page), 200);
  EXPECT_NE(page.find("Content-Security-Policy: default-src 'none'"), std::string::npos);
  const std::size_t at = page.find("ETag: ");
  const std::string tag = page.substr(at + 6, page.find("\r\n", at) - at - 6);
  EXPECT_EQ(status_of(s.ask("GET", "/", "If-None-Match: " + tag + "\r\n")), 304);
}

TEST(HttpServer, SendsContentsAsTheyAreWhateverTheClientAccepts) {
  const Served s;
  const std::string reply =
      s.ask("GET", "/plotly.min.js", "Accept-Encoding: gzip, deflate, br\r\n");
  EXPECT_EQ(status_of(reply), 200);
  EXPECT_EQ(reply.find("Content-Encoding"), std::string::npos);
  EXPECT_NE(body_of(reply).find("plotly.js v"), std::string::npos);
}

TEST(Identity, RefusesATokenFileThatOthersCanRead) {
  const testing::TempDir home;
  write_file_atomically(home.path() / "token", "sar_1.2\n");
  EXPECT_ANY_THROW(coordinator::Identity(home.path(), system_clock()));
}

}  // namespace
}  // namespace sarsweep
