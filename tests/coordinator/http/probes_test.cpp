// Attacks that work on the packaged HTTP library, replayed against the guarded server.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/coordinator/http/served.h"

namespace sarsweep {
namespace {

using testing::count_of;
using testing::send_raw;
using testing::Served;
using testing::status_of;

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

std::string filled(std::string text, int port) {
  std::string ranges = "0-9";
  std::string headers;
  for (int i = 0; i < 800; ++i) ranges += ",0-9";
  for (int i = 0; i < 200; ++i) headers += "X-" + std::to_string(i) + ": 1\r\n";
  replace_all(text, "{host}", "127.0.0.1:" + std::to_string(port));
  replace_all(text, "{ranges}", ranges);
  replace_all(text, "{headers}", headers);
  replace_all(text, "{long}", std::string(8000, 'a'));
  replace_all(text, "{endless}", std::string(1 << 20, 'a'));
  return text;
}

TEST(HttpProbes, AreAllTurnedAwayAndTheServerGoesOn) {
  const Served s;
  const auto probes =
      nlohmann::json::parse(read_file(SARSWEEP_SOURCE_DIR "/tests/conformance/http_probes.json"));
  for (const auto& probe : probes) {
    const std::string answer = send_raw(s.port(), filled(probe["send"], s.port()));
    EXPECT_EQ(status_of(answer), probe["status"]) << probe["name"] << "\n" << answer.substr(0, 300);
    EXPECT_LE(count_of(answer, "HTTP/1."), probe.value("responses", 1)) << probe["name"];
    EXPECT_EQ(answer.find("Set-Cookie"), std::string::npos) << probe["name"];
  }
  EXPECT_EQ(status_of(s.ask("GET", "/healthz")), 200);
}

}  // namespace
}  // namespace sarsweep
