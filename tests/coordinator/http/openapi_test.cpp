// openapi.yaml names exactly the routes that are served, with their roles and query keys.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "tests/coordinator/http/served.h"

namespace sarsweep {
namespace {

struct Described {
  std::string role, listener = "control";
  std::set<std::string> query;
  bool operator==(const Described&) const = default;
};
using Table = std::map<std::string, Described>;  // by "GET /path"

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// Reads the indentation this file is written in: two for a path, four for a method, six for its
// keys.
Table described() {
  static const std::regex kPath("^  (/[^:]*):$"), kMethod("^    (get|post|put):$");
  static const std::regex kRole("^      x-role: (\\w+)$"), kListener("^      x-listener: (\\w+)$");
  static const std::regex kQuery("\\{name: (\\w+), in: query,");
  Table table;
  std::string path, key;
  std::ifstream in(SARSWEEP_SOURCE_DIR "/schema/protocol/openapi.yaml");
  for (std::string line; std::getline(in, line);) {
    std::smatch m;
    if (std::regex_search(line, m, kPath)) path = m[1];
    if (std::regex_search(line, m, kMethod)) table[key = upper(m[1]) + " " + path];
    if (std::regex_search(line, m, kRole)) table[key].role = m[1];
    if (std::regex_search(line, m, kListener)) table[key].listener = m[1];
    if (std::regex_search(line, m, kQuery)) table[key].query.insert(m[1]);
  }
  return table;
}

Table served() {
  testing::Served s;
  std::string none;
  Table table;
  for (const auto& route : coordinator::all_routes({s.core, s.identity, &none, &none})) {
    const bool asset = route.pattern == "/" || route.pattern.find(".") != std::string::npos;
    if (asset) continue;
    table[route.method + " " + route.pattern] = {
        std::string(to_string(route.role)),
        route.listener == coordinator::Listener::data ? "data" : "control",
        {route.query.begin(), route.query.end()}};
  }
  return table;
}

TEST(OpenApi, NamesTheRoutesThatAreServed) {
  const Table file = described();
  const Table server = served();
  for (const auto& [key, value] : server) {
    ASSERT_TRUE(file.contains(key)) << key << " is served but not in openapi.yaml";
    EXPECT_EQ(file.at(key), value) << key;
  }
  for (const auto& [key, value] : file) {
    EXPECT_TRUE(server.contains(key)) << key << " is in openapi.yaml but not served";
  }
}

}  // namespace
}  // namespace sarsweep
