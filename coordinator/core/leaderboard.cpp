#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
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

constexpr const char* kImages = "eval/n";

// One row of the board: the runs of a cell, one a seed.
struct Cell {
  std::vector<RunRow> runs;
  std::vector<std::string> aliases;
  std::vector<RunRow> done;         // the data of the finished ones
  std::vector<std::int64_t> seeds;  // of each of `done`
  std::map<std::string, std::vector<std::optional<double>>> values;  // by metric, of each of `done`
  std::string protocol_hash;
  std::optional<double> objective;
};

// Takes down each run's last value of each metric; nullopt where there is none or it is not a
// number.
void read_values(Connection& connection, Cell& cell, const json& keys) {
  MetricStore metrics(connection);
  for (const std::string key : keys) {
    for (const RunRow& run : cell.done) {
      const std::optional<MetricPoint> point = metrics.last(run.id, key);
      const bool known = point && !std::isnan(point->value);
      cell.values[key].push_back(known ? std::optional(point->value) : std::nullopt);
    }
  }
}

// The mean over the finished seeds; nullopt unless every one of them has a value.
std::optional<double> mean_of(const Cell& cell, const std::string& key) {
  const auto found = cell.values.find(key);
  if (found == cell.values.end()) return std::nullopt;
  double sum = 0;
  for (const std::optional<double>& value : found->second) {
    if (!value) return std::nullopt;
    sum += *value;
  }
  return sum / static_cast<double>(found->second.size());
}

// The mean difference to the baseline over the seeds that both have finished; nullopt for the
// baseline itself, where no seed is common or one has no value, and between protocols.
std::optional<double> delta_of(const Cell& cell, const Cell& baseline, const std::string& key) {
  if (&cell == &baseline || cell.protocol_hash != baseline.protocol_hash) return std::nullopt;
  double sum = 0;
  int pairs = 0;
  for (std::size_t i = 0; i < cell.done.size(); ++i) {
    const auto other = std::find(baseline.seeds.begin(), baseline.seeds.end(), cell.seeds[i]);
    if (other == baseline.seeds.end()) continue;
    const auto paired = static_cast<std::size_t>(other - baseline.seeds.begin());
    const std::optional<double>& value = cell.values.at(key)[i];
    const std::optional<double>& base = baseline.values.at(key)[paired];
    if (!value || !base) return std::nullopt;
    sum += *value - *base;
    ++pairs;
  }
  if (pairs == 0) return std::nullopt;
  return sum / pairs;
}

// What a study's cells are compared with: the cell its file names, else its first.
std::map<std::string, std::size_t> baselines_of(const std::vector<Cell>& cells,
                                                const SweepRow& sweep) {
  const json named = json::parse(sweep.baselines);
  std::map<std::string, std::size_t> found;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const RunRow& first = cells[i].runs.front();
    found.try_emplace(first.study, i);
    if (named.value(first.study, std::string()) == first.cell) found[first.study] = i;
  }
  // A name may be another one's alias, which stands in its own study's row.
  for (const auto& [study, name] : named.items()) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::vector<std::string>& aliases = cells[i].aliases;
      if (std::find(aliases.begin(), aliases.end(), name.get<std::string>()) != aliases.end()) {
        found[study] = i;
      }
    }
  }
  return found;
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
    if (run.state != RunState::done) continue;
    cell.done.push_back(runs.need(run.data_run()));
    cell.seeds.push_back(run.seed);
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
  cell.objective = mean_of(cell, metric);
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

json optional_json(const std::optional<double>& value) {
  return value ? number_json(*value) : json(nullptr);
}

json row_of(Connection& connection, const Cell& cell, const Cell& baseline, const json& report) {
  const RunRow& first = cell.runs.front();
  std::map<std::string, int> states;
  for (const RunRow& run : cell.runs) ++states[std::string(to_string(run.state))];
  json metrics = json::object();
  for (const json& key : report) {
    const auto mean = mean_of(cell, key);
    if (!mean) {
      metrics[key.get<std::string>()] = nullptr;
      continue;
    }
    metrics[key.get<std::string>()] = {{"mean", number_json(*mean)},
                                       {"low", nullptr},
                                       {"high", nullptr},
                                       {"delta", optional_json(delta_of(cell, baseline, key))},
                                       {"p", nullptr}};
  }
  const auto images = mean_of(cell, kImages);
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
          {"baseline", baseline.runs.front().cell},
          {"axes", json::parse(first.axes)},
          {"progress", progress},
          {"runs", members},
          {"thumbnail", thumbnail_of(connection, cell)}};
}

// Indices; cells without the objective come last, ties in the order of the file.
std::vector<std::size_t> best_first(const std::vector<Cell>& cells, bool maximize) {
  std::vector<std::size_t> order(cells.size());
  std::iota(order.begin(), order.end(), 0U);
  const double sign = maximize ? -1 : 1;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t k) {
    const Cell &a = cells[i], &b = cells[k];
    if (a.objective.has_value() != b.objective.has_value()) return a.objective.has_value();
    return a.objective && sign * *a.objective < sign * *b.objective;
  });
  return order;
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
  const json report = reported(sweep);
  for (Cell& cell : cells) {
    read_values(connection, cell, report);
    if (!cell.values.contains(kImages)) read_values(connection, cell, {kImages});
    judge(connection, cell, sweep.objective_metric);
  }
  const std::map<std::string, std::size_t> baselines = baselines_of(cells, sweep);
  json board = json::array();
  std::string front;  // the protocol of the best
  int rank = 0;
  for (const std::size_t i : best_first(cells, sweep.objective_goal == "maximize")) {
    const Cell& cell = cells[i];
    const std::size_t baseline = baselines.at(cell.runs.front().study);
    json row = row_of(connection, cell, cells[baseline], report);
    if (board.empty()) front = cell.protocol_hash;
    if (cell.objective && cell.protocol_hash == front) {
      row["rank"] = row["rank_low"] = row["rank_high"] = ++rank;
    }
    board.push_back(std::move(row));
  }
  return board;
}

}  // namespace sarsweep::coordinator
