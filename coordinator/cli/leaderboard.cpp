#include <algorithm>
#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/statistics_text.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kShortHash = 8;

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

json metric_of(const json& row, const std::string& key) {
  const json metrics = row.value("metrics", json::object());
  const auto found = metrics.find(key);
  return found != metrics.end() && found->is_object() ? *found : json::object();
}

std::string states_cell(const json& row) {
  std::string text;
  const json states = row.value("states", json::object());
  for (const auto& [state, count] : states.items()) {
    text += (text.empty() ? "" : ", ") + cell(count) + " " + state;
  }
  return text;
}

std::string seeds_cell(const json& row) {
  return row.value("one_seed", false) ? "1 seed" : cell(row, "seeds");
}

std::string protocol_cell(const json& row) {
  return cell(row, "protocol_hash").substr(0, kShortHash);
}

// Of which some row can say whether it differs from its baseline.
bool is_compared(const json& rows, const std::string& key) {
  return std::any_of(rows.begin(), rows.end(), [&](const json& row) {
    return metric_of(row, key).value("p", json()).is_number();
  });
}

// The real images against themselves: what no model can be expected to go below.
std::vector<std::string> floor_row(const json& rows, const std::vector<std::string>& keys,
                                   const std::vector<std::string>& heading) {
  json floor = json::object();
  for (const json& row : rows) {
    if (floor.empty()) floor = row.value("floor", json::object());
  }
  std::vector<std::string> cells(heading.size());
  bool any = false;
  for (std::size_t c = 0; c < heading.size(); ++c) {
    const bool of_metric = std::find(keys.begin(), keys.end(), heading[c]) != keys.end();
    const auto found = of_metric ? floor.find(heading[c]) : floor.end();
    if (found == floor.end()) continue;
    cells[c] = cell(*found);
    any = true;
  }
  if (!any) return {};
  cells[1] = "(real against real)";
  return cells;
}

struct Columns {
  std::vector<std::string> keys;
  std::vector<bool> compared;  // of each key

  std::vector<std::string> heading() const {
    std::vector<std::string> cells = {"RANK", "NAME", "LABEL", "SEEDS", "N", "STATES"};
    for (std::size_t k = 0; k < keys.size(); ++k) {
      cells.push_back(keys[k]);
      if (compared[k]) cells.push_back("Δ");
    }
    cells.push_back("PROTOCOL");
    return cells;
  }

  std::vector<std::string> row(const json& of) const {
    std::vector<std::string> cells = {rank_text(of),  cell(of, "name"),     cell(of, "label"),
                                      seeds_cell(of), cell(of, "n_images"), states_cell(of)};
    for (std::size_t k = 0; k < keys.size(); ++k) {
      const json metric = metric_of(of, keys[k]);
      cells.push_back(with_error(metric.value("mean", json()), metric.value("low", json()),
                                 metric.value("high", json())));
      if (!compared[k]) continue;
      const bool baseline = cell(of, "baseline") == cell(of, "name");
      cells.push_back(baseline ? "baseline" : difference_text(metric));
    }
    cells.push_back(protocol_cell(of));
    return cells;
  }

  std::vector<bool> numeric() const {
    std::vector<bool> out = {true, false, false, true, true, false};
    while (out.size() + 1 < heading().size()) out.push_back(true);
    out.push_back(false);
    return out;
  }
};

}  // namespace

Exit leaderboard(Session& session, const LeaderboardOptions& options) {
  const std::string name = sweep_name(options.sweep);
  client::Query query = {{"sweep", name}};
  narrow(query, "baseline", options.baseline);
  const json rows = get_computed(session, "/api/v1/leaderboard", query);
  if (session.as_document() && !session.as_paper()) {
    session.print_document(rows);
    return Exit::ok;
  }
  Columns columns{columns_of(session, name, rows), {}};
  for (const std::string& key : columns.keys) columns.compared.push_back(is_compared(rows, key));
  std::vector<std::vector<std::string>> cells = {columns.heading()};
  for (const json& row : rows) cells.push_back(columns.row(row));
  const auto floor = floor_row(rows, columns.keys, cells.front());
  if (!floor.empty()) cells.push_back(floor);
  session.out() << table_text(session, cells, columns.numeric());
  if (!floor.empty()) session.err() << legend() << '\n';
  return Exit::ok;
}

}  // namespace sarsweep::cli
