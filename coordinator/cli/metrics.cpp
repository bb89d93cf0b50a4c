#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {
namespace {

constexpr const char* kEveryPoint = "100000000";

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

}  // namespace

Exit metrics(Session& session, const MetricsOptions& options) {
  const json run = select_run(session, options.selector);
  const std::string id = run.at("id");
  client::Query query = {{"max_points", kEveryPoint}};
  for (const std::string& key : options.keys) query.emplace_back("key", key);
  if (options.all_attempts) query.emplace_back("all_attempts", "1");
  const json series = get_document(session, "/api/v1/runs/" + id + "/metrics", query);
  if (session.as_document()) {
    session.print_document(session.as_rows() ? rows_of(series) : series);
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
