#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <ostream>
#include <utility>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {
namespace {

constexpr const char* kEveryPoint = "100000000";
constexpr const char* kFewPoints = "2";
constexpr std::size_t kShownKeys = 8;

using nlohmann::json;

// A row a point.
json rows_of(const json& series) {
  json rows = json::array();
  for (const auto& [key, points] : series.items()) {
    for (const json& point : points) {
      rows.push_back(
          {{"key", key}, {"step", point.at(0)}, {"value", point.at(1)}, {"attempt", point.at(2)}});
    }
  }
  return rows;
}

std::vector<std::string> names_of(const json& series) {
  std::vector<std::string> names;
  for (const auto& [key, points] : series.items()) {
    if (!points.empty()) names.push_back(key);
  }
  return names;
}

// Those of the same group, if there are any: val/loss for val/los.
std::vector<std::string> near(const std::string& key, std::vector<std::string> known) {
  const std::string group = key.substr(0, key.find('/') + 1);
  std::vector<std::string> same;
  std::copy_if(known.begin(), known.end(), std::back_inserter(same),
               [&](const std::string& name) { return name.starts_with(group); });
  if (same.empty()) same = std::move(known);
  if (same.size() > kShownKeys) same.resize(kShownKeys);
  return same;
}

// Every key asked for must be there: a misspelt one would look like a run without points.
void require_keys(Session& session, const json& run, const MetricsOptions& options,
                  const json& series) {
  const auto missing = std::find_if(
      options.keys.begin(), options.keys.end(),
      [&](const std::string& key) { return !series.contains(key) || series.at(key).empty(); });
  if (missing == options.keys.end()) return;
  const std::string name = run.at("name"), id = run.at("id");
  const std::vector<std::string> known = names_of(
      get_document(session, "/api/v1/runs/" + id + "/metrics", {{"max_points", kFewPoints}}));
  const std::string cure = known.empty()
                               ? fmt::format("it has none yet: sarsweep why {}", name)
                               : fmt::format("it has {}; all: sarsweep metrics {}",
                                             fmt::join(near(*missing, known), ", "), name);
  throw Error(ErrorCode::not_found,
              fmt::format("{} has no points of '{}'; {}", name, *missing, cure), "key");
}

}  // namespace

Exit metrics(Session& session, const MetricsOptions& options) {
  const json run = select_run(session, options.selector);
  const std::string id = run.at("id");
  client::Query query = {{"max_points", kEveryPoint}};
  for (const std::string& key : options.keys) query.emplace_back("key", key);
  if (options.all_attempts) query.emplace_back("all_attempts", "1");
  const json series = get_document(session, "/api/v1/runs/" + id + "/metrics", query);
  require_keys(session, run, options, series);
  if (session.as_document()) {
    session.print_document(session.as_rows() ? rows_of(series) : series);
    return Exit::ok;
  }
  if (names_of(series).empty()) {
    const std::string name = run.at("name");
    session.err() << name << " has no points yet; what it waits for: sarsweep why " << name << '\n';
    return Exit::ok;
  }
  using enum Table::Align;
  Table table({{"METRIC"}, {"POINTS", right}, {"LAST STEP", right}, {"LAST VALUE", right}});
  for (const auto& [key, points] : series.items()) {
    if (points.empty()) continue;
    table.add(
        {key, std::to_string(points.size()), cell(points.back().at(0)), cell(points.back().at(1))});
  }
  session.out() << table.text();
  return Exit::ok;
}

}  // namespace sarsweep::cli
