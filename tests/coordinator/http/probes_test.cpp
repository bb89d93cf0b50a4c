// Attacks on the HTTP server, one a line of tests/conformance/http_probes.json; `rows` there are
// faults known of the packaged library, `rules` what the guard in front of it has to hold. A probe
// has these keys:
//   name, for   what it is, and the rows and rules it is for
//   send        the bytes, with {host}, {port}, {admin}, {worker} (a header), {sha256}, {ranges},
//               {headers} (200 of them), {long}, {path511} and {path512} filled in
//   flood       so many more bytes behind them
//   to          control (the default) or data: the listener
//   status      of the answer; 0: closed without a word
//   holds, absent   texts the answer has, has not
//   beside      {count, send, to, from, wait_for}: connections that are open meanwhile
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <set>

#include <nlohmann/json.hpp>

#include "tests/coordinator/http/loopback_socket.h"
#include "tests/coordinator/http/served.h"

namespace sarsweep {
namespace {

using nlohmann::json;
using testing::count_of;
using testing::LoopbackSocket;
using testing::send_raw;
using testing::Served;
using testing::status_of;

constexpr double kPatience_s = 60;
constexpr std::int64_t kMostGrowth = 32 << 20;  // half of the largest flood

json document() {
  return json::parse(read_file(SARSWEEP_SOURCE_DIR "/tests/conformance/http_probes.json"));
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

int port_of(const Served& s, const json& probe) {
  return probe.value("to", "control") == "data" ? s.data_port() : s.port();
}

std::string filled(const Served& s, const json& probe) {
  std::string text = probe["send"];
  std::string ranges = "0-9";
  std::string headers;
  for (int i = 0; i < 800; ++i) ranges += ",0-9";
  for (int i = 0; i < 200; ++i) headers += "X-" + std::to_string(i) + ": 1\r\n";
  const std::string port = std::to_string(port_of(s, probe));
  replace_all(text, "{host}", "127.0.0.1:" + port);
  replace_all(text, "{port}", port);
  replace_all(text, "{admin}", s.bearer());
  replace_all(text, "{worker}", s.bearer("worker-token"));
  replace_all(text, "{sha256}", std::string(64, 'a'));
  replace_all(text, "{ranges}", ranges);
  replace_all(text, "{headers}", headers);
  replace_all(text, "{long}", std::string(8000, 'a'));
  replace_all(text, "{path511}", std::string(511, 'a'));
  replace_all(text, "{path512}", std::string(512, 'a'));
  return text;
}

// Opened one after the other; each has been heard where the probe says what to wait for.
std::vector<LoopbackSocket> neighbours(const Served& s, const json& probe) {
  std::vector<LoopbackSocket> open;
  if (!probe.contains("beside")) return open;
  const json& beside = probe["beside"];
  const std::string from = beside.value("from", "127.0.0.1");
  const std::string awaited = beside.value("wait_for", "");
  const std::string bytes = filled(s, beside);
  for (int i = 0; i < beside["count"]; ++i) {
    open.emplace_back(ntohl(::inet_addr(from.c_str())), port_of(s, beside));
    open.back().send(bytes);
    if (awaited.empty()) continue;
    const std::string said = open.back().receive();
    EXPECT_NE(said.find(awaited), std::string::npos) << probe["name"] << ": " << said;
  }
  return open;
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

// The most memory this process, the server in it, has held since forget_peak().
std::int64_t peak_bytes() {
  std::ifstream in("/proc/self/status");
  for (std::string word; in >> word;) {
    std::int64_t kilobytes = 0;
    if (word == "VmHWM:" && in >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

void expect_answer(const std::string& answer, const json& probe) {
  const std::string about = probe["name"].get<std::string>() + "\n" + answer.substr(0, 300);
  EXPECT_EQ(status_of(answer), probe["status"]) << about;
  EXPECT_LE(count_of(answer, "HTTP/1."), 1) << about;
  EXPECT_EQ(answer.find("Set-Cookie"), std::string::npos) << about;
  const json absent = probe.value("absent", json::array());
  const json holds = probe.value("holds", json::array());
  for (const std::string text : absent) {
    EXPECT_EQ(answer.find(text), std::string::npos) << text << " in " << about;
  }
  for (const std::string text : holds) {
    EXPECT_NE(answer.find(text), std::string::npos) << text << " not in " << about;
  }
}

void make(const Served& s, const json& probe) {
  std::vector<LoopbackSocket> open = neighbours(s, probe);
  const std::string bytes =
      filled(s, probe) + std::string(probe.value("flood", std::size_t{0}), 'a');
  forget_peak();
  const std::int64_t before = peak_bytes();
  const std::string answer = send_raw(port_of(s, probe), bytes, kPatience_s);
  EXPECT_LT(peak_bytes() - before, kMostGrowth) << probe["name"];
  expect_answer(answer, probe);
  open.clear();
  EXPECT_EQ(status_of(s.ask("GET", "/healthz")), 200) << "after " << probe["name"];
}

TEST(HttpProbes, AreThereForEveryRowAndRule) {
  const json all = document();
  std::map<std::string, int> of;
  std::set<std::string> names;
  for (const char* kind : {"rows", "rules"}) {
    for (const auto& [key, text] : all[kind].items()) of[key] = 0;
  }
  for (const json& probe : all["probes"]) {
    EXPECT_TRUE(names.insert(probe["name"]).second) << probe["name"] << " stands there twice";
    for (const std::string key : probe["for"]) {
      ASSERT_TRUE(of.contains(key)) << probe["name"] << " is for " << key << ": no row, no rule";
      ++of[key];
    }
  }
  for (const auto& [key, count] : of) EXPECT_GT(count, 0) << "no probe is for " << key;
  std::cout << names.size() << " probes of " << all["rows"].size() << " rows and "
            << all["rules"].size() << " rules\n";
}

TEST(HttpProbes, AreAllTurnedAwayAndTheServerGoesOn) {
  const Served s;
  const json all = document();
  for (const json& probe : all["probes"]) make(s, probe);
}

}  // namespace
}  // namespace sarsweep
