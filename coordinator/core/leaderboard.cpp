#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "coordinator/core/run_views.h"
#include "coordinator/core/sweep_views.h"
#include "coordinator/store/artifact_store.h"
#include "coordinator/store/metric_store.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/sweep_store.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

// One row of the board: the runs of a cell, one a seed.
struct Cell {
  std::vector<RunRow> runs;
  std::vector<std::string> aliases;
  std::vector<RunRow> done;  // the data of the finished ones
  std::string protocol_hash;
  std::optional<double> objective;
};

// The mean over the finished seeds; nullopt unless every one of them has a value.
std::optional<double> mean_of(Connection& connection, const Cell& cell, const std::string& key) {
  MetricStore metrics(connection);
  double sum = 0;
  for (const RunRow& run : cell.done) {
    const std::optional<MetricPoint> point = metrics.last(run.id, key);
    if (!point || std::isnan(point->value)) return std::nullopt;
    sum += point->value;
  }
  if (cell.done.empty()) return std::nullopt;
  return sum / static_cast<double>(cell.done.size());
}

std::vector<Cell> cells_of(Connection& connection, const SweepRow& sweep) {
  RunStore runs(connection);
  std::map<std::string, std::size_t> index;
  std::vector<Cell> cells;
  const std::vector<RunRow> rows = runs.of_sweep(sweep.id);
  for (const RunRow& run : rows) {
    if (run.alias_of || (run.reason == "withdrawn" && run.state == RunState::cancelled)) continue;
    const auto [place, fresh] = index.emplace(run.cell, cells.size());
    if (fresh) cells.emplace_back();
    Cell& cell = cells[place->second];
    cell.runs.push_back(run);
    if (run.state == RunState::done) cell.done.push_back(runs.need(run.data_run()));
  }
  for (const RunRow& run : rows) {
    if (!run.alias_of) continue;
    const auto target = index.find(runs.need(*run.alias_of).cell);
    if (target == index.end()) continue;
    std::vector<std::string>& names = cells[target->second].aliases;
    if (std::find(names.begin(), names.end(), run.cell) == names.end()) names.push_back(run.cell);
  }
  return cells;
}

void judge(Connection& connection, Cell& cell, const std::string& metric) {
  cell.objective = mean_of(connection, cell, metric);
  for (const RunRow& run : cell.done) {
    const auto results = ArtifactStore(connection).evaluations(run.id);
    if (results.empty()) continue;
    if (cell.protocol_hash.empty()) cell.protocol_hash = results.front().protocol_hash;
    // Seeds that were judged by different protocols have no common mean.
    if (cell.protocol_hash != results.front().protocol_hash) cell.objective.reset();
  }
}

json thumbnail_of(Connection& connection, const Cell& cell) {
  RunStore runs(connection);
  for (const RunRow& run : cell.runs) {
    const RunRow data = runs.need(run.data_run());
    const auto samples = ArtifactStore(connection).samples(data.id);
    if (!samples.empty()) return {{"run_id", run.uid}, {"sha256", samples.front().sha256}};
  }
  return nullptr;
}

json members_of(Connection& connection, const Cell& cell, double& progress) {
  RunStore runs(connection);
  json members = json::array();
  progress = 0;
  for (const RunRow& run : cell.runs) {
    const RunRow data = runs.need(run.data_run());
    members.push_back(
        {{"id", run.uid},
         {"name", run.name},
         {"seed", run.seed},
         {"state", to_string(run.state)},
         {"step", data.step},
         {"total_steps", data.total_steps ? json(*data.total_steps) : json(nullptr)}});
    const std::int64_t total = data.total_steps.value_or(0);
    const double share =
        total > 0 ? static_cast<double>(data.step) / static_cast<double>(total) : 0.0;
    progress += run.state == RunState::done ? 1.0 : std::min(share, 1.0);
  }
  progress /= static_cast<double>(cell.runs.size());
  return members;
}

json row_of(Connection& connection, const Cell& cell, const json& report) {
  const RunRow& first = cell.runs.front();
  std::map<std::string, int> states;
  for (const RunRow& run : cell.runs) ++states[std::string(to_string(run.state))];
  json metrics = json::object();
  for (const json& key : report) {
    const auto mean = mean_of(connection, cell, key);
    if (!mean) {
      metrics[key.get<std::string>()] = nullptr;
      continue;
    }
    metrics[key.get<std::string>()] = {{"mean", number_json(*mean)},
                                       {"low", nullptr},
                                       {"high", nullptr},
                                       {"delta", nullptr},
                                       {"p", nullptr}};
  }
  const auto images = mean_of(connection, cell, "eval/n");
  double progress = 0;
  const json members = members_of(connection, cell, progress);
  return {{"rank", nullptr},
          {"rank_low", nullptr},
          {"rank_high", nullptr},
          {"name", first.cell},
          {"aliases", cell.aliases},
          {"label", first.label},
          {"cell_hash", first.cell_hash},
          {"n_images", images ? json(std::llround(*images)) : json(nullptr)},
          {"seeds", cell.done.size()},
          {"states", states},
          {"protocol_hash", cell.protocol_hash.empty() ? json(nullptr) : json(cell.protocol_hash)},
          {"metrics", metrics},
          {"study", first.study},
          {"axes", json::parse(first.axes)},
          {"progress", progress},
          {"runs", members},
          {"thumbnail", thumbnail_of(connection, cell)}};
}

// The sweep's report, with its objective in front if the report leaves it out.
json reported(const SweepRow& sweep) {
  json report = json::parse(sweep.report);
  const bool named =
      std::find(report.begin(), report.end(), sweep.objective_metric) != report.end();
  if (!named) report.insert(report.begin(), sweep.objective_metric);
  return report;
}

}  // namespace

json leaderboard_view(Connection& connection, const std::string& name) {
  const SweepRow sweep = SweepStore(connection).need(name);
  std::vector<Cell> cells = cells_of(connection, sweep);
  for (Cell& cell : cells) judge(connection, cell, sweep.objective_metric);
  const double sign = sweep.objective_goal == "maximize" ? -1 : 1;
  std::stable_sort(cells.begin(), cells.end(), [sign](const Cell& a, const Cell& b) {
    if (a.objective.has_value() != b.objective.has_value()) return a.objective.has_value();
    return a.objective && sign * *a.objective < sign * *b.objective;
  });
  const json report = reported(sweep);
  json board = json::array();
  int rank = 0;
  for (const Cell& cell : cells) {
    json row = row_of(connection, cell, report);
    if (cell.objective && cell.protocol_hash == cells.front().protocol_hash) {
      row["rank"] = row["rank_low"] = row["rank_high"] = ++rank;
    }
    board.push_back(std::move(row));
  }
  return board;
}

}  // namespace sarsweep::coordinator
