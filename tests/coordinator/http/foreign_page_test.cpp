// What a page of another site, or a name that was rebound to this machine, may make a browser ask:
// every route of the table, so that no route escapes it.
#include <gtest/gtest.h>

#include <iostream>

#include <nlohmann/json.hpp>

#include "tests/coordinator/http/served.h"

namespace sarsweep {
namespace {

using coordinator::Listener;
using coordinator::Route;
using testing::body_of;
using testing::send_raw;
using testing::Served;
using testing::status_of;

struct Place {
  std::string path;
  int port;
  std::string host() const { return "127.0.0.1:" + std::to_string(port); }
};

Place place_of(const Served& s, const Route& route) {
  std::string path = route.pattern;
  for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{')) {
    path.replace(at, path.find('}') - at + 1, "cancel");
  }
  return {path, route.listener == Listener::data ? s.data_port() : s.port()};
}

int ask(const Place& to, const std::string& method, const std::string& host,
        const std::string& headers) {
  const bool reads = method == "GET";
  return status_of(send_raw(to.port, method + " " + to.path + " HTTP/1.1\r\nHost: " + host +
                                         "\r\n" + headers +
                                         (reads ? "\r\n" : "Content-Length: 2\r\n\r\n{}")));
}

std::vector<Route> routes_of(Served& s) {
  std::string none;
  return coordinator::all_routes({s.core, s.identity, &none, &none});
}

// A cookie, as a browser would add it, and the token that goes with it.
struct Visit {
  std::string cookie, csrf;
};
Visit log_in(Served& s) {
  const std::string code = nlohmann::json{{"code", s.identity.new_login_code()}}.dump();
  const std::string reply = s.ask("POST", "/api/v1/login", {}, code);
  const std::size_t at = reply.find("sarsweep_session=");
  return {"Cookie: " + reply.substr(at, reply.find(';', at) - at) + "\r\n",
          nlohmann::json::parse(body_of(reply))["csrf"]};
}

TEST(ForeignPage, ChangesNothingWhateverTheBrowserAdds) {
  Served s;
  const Visit visit = log_in(s);
  const std::string with_csrf = visit.cookie + "X-CSRF-Token: " + visit.csrf + "\r\n";
  int asked = 0;
  for (const Route& route : routes_of(s)) {
    if (route.method == "GET") continue;
    const Place to = place_of(s, route);
    for (const std::string& right :
         {std::string(), s.bearer(), s.bearer("worker-token"), with_csrf}) {
      for (const char* foreign :
           {"Origin: http://evil.example\r\n", "Origin: null\r\n", "Origin: http://127.0.0.1:1\r\n",
            "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n"}) {
        EXPECT_EQ(ask(to, route.method, to.host(), right + foreign), 403)
            << route.method << " " << to.path << " " << foreign;
        ++asked;
      }
    }
  }
  std::cout << asked << " changes were asked for\n";
}

TEST(ForeignPage, ReachesNothingUnderAnotherName) {
  Served s;
  const std::string right = s.bearer();
  for (const Route& route : routes_of(s)) {
    const Place to = place_of(s, route);
    for (const std::string& host :
         {std::string("evil.example"), "evil.example:" + std::to_string(to.port),
          std::string("127.0.0.1")}) {
      EXPECT_EQ(ask(to, route.method, host, right), 403) << to.path << " as " << host;
    }
  }
}

TEST(ForeignPage, HasNoMethodThatIsNotServed) {
  Served s;
  for (const Route& route : routes_of(s)) {
    const Place to = place_of(s, route);
    for (const char* method : {"DELETE", "PATCH", "OPTIONS"}) {
      EXPECT_EQ(ask(to, method, to.host(), s.bearer()), 405) << method << " " << to.path;
    }
  }
}

// The cookie alone is what a forged form would bring.
TEST(ForeignPage, NeedsTheTokenThatGoesWithTheCookie) {
  Served s;
  const Visit visit = log_in(s);
  const Visit other = log_in(s);
  int asked = 0;
  for (const Route& route : routes_of(s)) {
    const bool for_pages = route.role != coordinator::Role::nobody &&
                           route.role != coordinator::Role::worker && route.method != "GET";
    if (!for_pages) continue;
    const Place to = place_of(s, route);
    const auto with = [&](const std::string& csrf) {
      ++asked;
      return ask(to, route.method, to.host(), visit.cookie + csrf);
    };
    EXPECT_EQ(with(""), 403) << to.path;
    EXPECT_EQ(with("X-CSRF-Token: \r\n"), 403) << to.path;
    EXPECT_EQ(with("X-CSRF-Token: " + other.csrf + "\r\n"), 403) << to.path;
    EXPECT_NE(with("X-CSRF-Token: " + visit.csrf + "\r\n"), 403) << to.path;
  }
  EXPECT_GT(asked, 0);
}

}  // namespace
}  // namespace sarsweep
