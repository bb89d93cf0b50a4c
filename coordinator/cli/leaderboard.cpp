#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

// The sweep's report keys; where it names none, whatever the rows hold.
std::vector<std::string> columns_of(Session& session, const std::string& sweep, const json& rows) {
  const json about = get_document(session, "/api/v1/sweeps/" + sweep, {});
  auto keys = about.value("report", std::vector<std::string>{});
  if (!keys.empty() || rows.empty()) return keys;
  const json metrics = rows.front().value("metrics", json::object());
  for (const auto& [key, value] : metrics.items()) {
    keys.push_back(key);
  }
  return keys;
}

std::string metric_cell(const json& row, const std::string& key) {
  const json metrics = row.value("metrics", json::object());
  if (!metrics.contains(key) || !metrics[key].is_object()) return "-";
  const json& metric = metrics[key];
  std::string text = cell(metric, "mean");
  if (metric.contains("low") && !metric["low"].is_null()) {
    text += " [" + cell(metric, "low") + ", " + cell(metric, "high") + "]";
  }
  return text;
}

std::string rank_cell(const json& row) {
  const std::string low = cell(row, "rank_low");
  const std::string high = cell(row, "rank_high");
  return low == high ? cell(row, "rank") : low + "-" + high;
}

std::string states_cell(const json& row) {
  std::string text;
  const json states = row.value("states", json::object());
  for (const auto& [state, count] : states.items()) {
    text += (text.empty() ? "" : ", ") + cell(count) + " " + state;
  }
  return text;
}

}  // namespace

Exit leaderboard(Session& session, const std::string& sweep) {
  const std::string name = sweep_name(sweep);
  const json rows = get_document(session, "/api/v1/leaderboard", {{"sweep", name}});
  if (session.as_document()) {
    session.print_document(rows);
    return Exit::ok;
  }
  const auto keys = columns_of(session, name, rows);
  std::vector<Table::Column> columns = {
      {"RANK", Table::Align::right}, {"NAME"}, {"LABEL"}, {"STATES"}};
  for (const std::string& key : keys) columns.push_back({key, Table::Align::right});
  Table table(columns);
  for (const json& row : rows) {
    std::vector<std::string> cells = {rank_cell(row), cell(row, "name"), cell(row, "label"),
                                      states_cell(row)};
    for (const std::string& key : keys) cells.push_back(metric_cell(row, key));
    table.add(std::move(cells));
  }
  session.out() << table.text();
  return Exit::ok;
}

}  // namespace sarsweep::cli
