#include "coordinator/http/public_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/base/error.h"
#include "tests/coordinator/http/served.h"

namespace sarsweep::testing {
namespace {

using coordinator::parse_public_address;
using coordinator::PublicAddress;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(PublicAddress, TheAuthorityIsWhatClientsPutIntoHost) {
  const auto authority = [](const char* text) {
    return parse_public_address(text, "--public-url").authority;
  };
  EXPECT_EQ(authority("https://sar.example"), "sar.example");
  EXPECT_EQ(authority("https://sar.example:443/"), "sar.example");
  EXPECT_EQ(authority("https://sar.example:8443"), "sar.example:8443");
  EXPECT_EQ(authority("http://10.0.0.5:80"), "10.0.0.5");
  EXPECT_EQ(authority("https://[fd00::1]:8443"), "[fd00::1]:8443");
  EXPECT_EQ(authority("https://[fd00::1]"), "[fd00::1]");
  EXPECT_EQ(parse_public_address("https://sar.example:443", "").url, "https://sar.example");
  EXPECT_FALSE(parse_public_address("http://sar.example", "").tls);
}

TEST(PublicAddress, WhatIsNoneIsRefusedByName) {
  for (const char* text : {"", "sar.example", "ftp://sar.example", "https://", "https://a b",
                           "https://sar.example/path", "https://sar.example:port",
                           "https://user@sar.example", "https://sar.example:", "https://[::1"}) {
    try {
      parse_public_address(text, "--public-url");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid);
      EXPECT_THAT(error.what(), HasSubstr("--public-url '" + std::string(text) + "'"));
    }
  }
}

// What the proxy hands on, which keeps the Host that it was asked for.
std::string through_proxy(const Served& s, const std::string& method, const std::string& path,
                          const std::string& host, const std::string& headers,
                          const std::string& body = {}) {
  return send_raw(s.port(), method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers +
                                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                                body);
}

TEST(HttpServer, IsServedUnderItsProxysNamesAsWell) {
  coordinator::ServerOptions options{"127.0.0.1", 0, 0};
  options.public_address = parse_public_address("https://sar.example", "");
  options.public_data_address = parse_public_address("https://data.example:8443", "");
  const Served s{options};
  const std::string info = s.ask("GET", "/api/v1/info", s.bearer());
  EXPECT_THAT(info, HasSubstr(R"("data_url":"https://data.example:8443")"));
  EXPECT_EQ(s.server.public_url(), "https://sar.example");
  EXPECT_EQ(status_of(through_proxy(s, "GET", "/healthz", "sar.example", "")), 200);
  EXPECT_EQ(status_of(through_proxy(s, "GET", "/healthz", "evil.example", "")), 403);
  EXPECT_EQ(status_of(through_proxy(s, "POST", "/api/v1/login", "sar.example",
                                    "Origin: https://sar.example\r\n", "{}")),
            400)
      << "its own page may speak";
  EXPECT_EQ(status_of(through_proxy(s, "POST", "/api/v1/login", "sar.example",
                                    "Origin: https://evil.example\r\n", "{}")),
            403);
}

TEST(HttpServer, ACookieOfTheProxysNameIsSentOverTlsAlone) {
  coordinator::ServerOptions options{"127.0.0.1", 0, 0};
  options.public_address = parse_public_address("https://sar.example", "");
  Served s{options};
  const auto login = [&](const std::string& host) {
    return through_proxy(s, "POST", "/api/v1/login", host, "",
                         R"({"code":")" + s.identity.new_login_code() + R"("})");
  };
  EXPECT_THAT(login("sar.example"), HasSubstr("Max-Age=43200; Secure"));
  const std::string local = login("127.0.0.1:" + std::to_string(s.port()));
  EXPECT_EQ(status_of(local), 200);
  EXPECT_THAT(local, Not(HasSubstr("Secure")));
}

}  // namespace
}  // namespace sarsweep::testing
