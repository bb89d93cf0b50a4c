#include "coordinator/core/leaderboard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "coordinator/core/history_views.h"
#include "coordinator/core/run_views.h"
#include "coordinator/core/statistics_json.h"
#include "coordinator/store/artifact_store.h"
#include "coordinator/store/metric_store.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/sweep_store.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr const char* kImages = "eval/n";
constexpr std::size_t kShownNames = 10;

// One row of the board: the runs of a cell, one a seed.
struct Cell {
  std::vector<RunRow> runs;
  std::vector<std::string> aliases;
  std::vector<RunRow> done;          // the data of the finished ones
  std::vector<std::int64_t> seeds;   // of each of `done`
  std::vector<std::string> results;  // digests of the result documents of each of `done`
  std::map<std::string, std::vector<std::optional<double>>> values;  // by metric, of each of `done`
  std::string protocol_hash;
  bool mixed = false;  // its seeds were judged by different protocols: they have no common mean
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
  if (cell.mixed || baseline.mixed) return std::nullopt;
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

// The cell of that name, or that has it for an alias. Throws Error(not_found) with the names.
std::size_t cell_named(const std::vector<Cell>& cells, const std::string& name) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto& aliases = cells[i].aliases;
    if (cells[i].runs.front().cell == name) return i;
    if (std::find(aliases.begin(), aliases.end(), name) != aliases.end()) return i;
    if (names.size() < kShownNames) names.push_back(cells[i].runs.front().cell);
  }
  throw Error(ErrorCode::not_found,
              fmt::format("no cell is called '{}'; there are {}{}", name, fmt::join(names, ", "),
                          cells.size() > names.size() ? ", …" : ""),
              "baseline");
}

std::vector<Cell> cells_of(Connection& connection, const SweepRow& sweep) {
  RunStore runs(connection);
  std::map<std::string, std::size_t> index;
  std::vector<Cell> cells;
  const std::vector<RunRow> rows = runs.of_sweep(sweep.id);
  for (const RunRow& run : rows) {
    if (run.alias_of || run.withdrawn()) continue;
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
    const std::optional<EvaluationRow> result = newest_evaluation(connection, run.id);
    cell.results.push_back(result ? result->sha256 : std::string());
    if (!result) continue;
    if (cell.protocol_hash.empty()) cell.protocol_hash = result->protocol_hash;
    cell.mixed = cell.mixed || cell.protocol_hash != result->protocol_hash;
  }
  if (cell.mixed) cell.objective.reset();
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

// What is shown of a metric: the mean of what the database holds, and the statistics if they are of
// the same.
json metric_json(double mean, const std::optional<double>& delta, const std::string& metric,
                 const CellStatistics* statistics) {
  const MetricNumbers* made = nullptr;
  if (statistics != nullptr) {
    const auto found = statistics->numbers->metrics.find(metric);
    if (found != statistics->numbers->metrics.end()) made = &found->second;
  }
  json out = {{"mean", number_json(mean)}, {"low", nullptr}, {"high", nullptr}};
  if (made == nullptr || !stats::alike(made->estimate.mean, mean)) {
    out.update(comparison_json(std::nullopt, std::nullopt));
  } else {
    // Of the baseline as it now is: its seeds may have become more.
    const bool same = made->comparison && delta && stats::alike(made->comparison->delta, *delta);
    out.update(interval_json(made->estimate));
    out.update(
        comparison_json(same ? made->comparison : std::nullopt, p_holm_of(*statistics, metric)));
  }
  if (delta && out["delta"].is_null()) out["delta"] = number_json(*delta);
  return out;
}

// A cell's own numbers and those of the statistics; nullptr where there are none yet.
struct Judgement {
  const CellStatistics* statistics = nullptr;
  bool computing = false;
};

json metrics_json(const Cell& cell, const Cell& baseline, const json& report,
                  const CellStatistics* statistics) {
  json metrics = json::object();
  for (const std::string key : report) {
    const auto mean = mean_of(cell, key);
    metrics[key] =
        mean ? metric_json(*mean, delta_of(cell, baseline, key), key, statistics) : json(nullptr);
  }
  return metrics;
}

json floor_json(const json& report, const CellStatistics* statistics) {
  json floor = json::object();
  if (statistics == nullptr) return floor;
  for (const std::string key : report) {
    const auto found = statistics->numbers->floor.find(key);
    if (found != statistics->numbers->floor.end()) floor[key] = digits(found->second);
  }
  return floor;
}

json row_of(Connection& connection, const Cell& cell, const Cell& baseline, const json& report,
            const Judgement& judgement) {
  const RunRow& first = cell.runs.front();
  std::map<std::string, int> states;
  for (const RunRow& run : cell.runs) ++states[std::string(to_string(run.state))];
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
          {"one_seed", cell.done.size() == 1},
          {"states", states},
          {"protocol_hash", cell.protocol_hash.empty() ? json(nullptr) : json(cell.protocol_hash)},
          {"metrics", metrics_json(cell, baseline, report, judgement.statistics)},
          {"floor", floor_json(report, judgement.statistics)},
          {"computing", judgement.computing},
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

// A sweep as it stands.
struct Standing {
  SweepRow sweep;
  json report;
  std::vector<Cell> cells;
  std::map<std::string, std::size_t> baselines;  // by study
  std::vector<std::size_t> order;                // best first

  const Cell& baseline_of(const Cell& cell) const {
    return cells[baselines.at(cell.runs.front().study)];
  }
  // Results of different protocols are never ranked together: that of the best one counts.
  bool ranked(const Cell& cell) const {
    return cell.objective && cell.protocol_hash == cells[order.front()].protocol_hash;
  }
};

Standing standing_of(Connection& connection, const BoardQuery& query) {
  Standing out;
  out.sweep = SweepStore(connection).need(query.sweep);
  out.report = reported(out.sweep);
  out.cells = cells_of(connection, out.sweep);
  for (Cell& cell : out.cells) {
    read_values(connection, cell, out.report);
    if (!cell.values.contains(kImages)) read_values(connection, cell, {kImages});
    judge(connection, cell, out.sweep.objective_metric);
  }
  out.baselines = baselines_of(out.cells, out.sweep);
  if (!query.baseline.empty()) {
    const std::size_t chosen = cell_named(out.cells, query.baseline);
    for (auto& [study, baseline] : out.baselines) baseline = chosen;
  }
  out.order = best_first(out.cells, out.sweep.objective_goal == "maximize");
  return out;
}

// Changes whenever the board's statistics might.
std::string state_of(const Standing& standing) {
  Sha256 digest;
  const auto feed = [&](const std::string& text) { digest.update(text + "\n"); };
  feed(standing.report.dump());
  feed(standing.sweep.objective_metric + " " + standing.sweep.objective_goal);
  for (const Cell& cell : standing.cells) {
    feed(cell.runs.front().cell + " " + cell.runs.front().study + " " +
         standing.baseline_of(cell).runs.front().cell + " " + cell.protocol_hash);
    for (std::size_t i = 0; i < cell.done.size(); ++i) {
      const RunRow& data = cell.done[i];
      feed(fmt::format("{} {} {} {} {}", cell.seeds[i], data.id, data.generation, data.lease_epoch,
                       cell.results[i]));
    }
  }
  return digest.hex();
}

BoardCell board_cell(const Standing& standing, const Cell& cell) {
  BoardCell out{.name = cell.runs.front().cell,
                .study = cell.runs.front().study,
                .protocol = cell.protocol_hash,
                .runs = {},
                .baseline = standing.baseline_of(cell).runs.front().cell,
                .ranked = standing.ranked(cell)};
  if (cell.mixed) return out;
  for (std::size_t i = 0; i < cell.done.size(); ++i) {
    BoardRun run{cell.seeds[i], cell.results[i], {}};
    for (const std::string key : standing.report) {
      if (const std::optional<double>& value = cell.values.at(key)[i]) run.values[key] = *value;
    }
    out.runs.push_back(std::move(run));
  }
  return out;
}

// Of each cell, by name.
std::map<std::string, Judgement> judgements_of(const Standing& standing,
                                               const Statistician::Answer& answer) {
  std::map<std::string, Judgement> out;
  for (const Cell& cell : standing.cells) {
    out[cell.runs.front().cell].computing = !answer.current && !cell.done.empty();
  }
  if (answer.statistics == nullptr) return out;
  for (std::size_t i = 0; i < answer.statistics->cells.size(); ++i) {
    const auto found = out.find(answer.statistics->board.cells[i].name);
    const CellStatistics& cell = answer.statistics->cells[i];
    if (found != out.end() && cell.numbers != nullptr) found->second.statistics = &cell;
  }
  return out;
}

// Until the statistics are there, the place in the order.
void set_rank(const Judgement& judgement, int place, json& row) {
  row["rank"] = place;
  if (judgement.computing || judgement.statistics == nullptr || !judgement.statistics->rank) return;
  const stats::Rank& rank = *judgement.statistics->rank;
  row["rank"] = rank.rank;
  if (rank.low) row["rank_low"] = *rank.low;
  if (rank.high) row["rank_high"] = *rank.high;
}

}  // namespace

Board board_of(Connection& connection, const BoardQuery& query) {
  const Standing standing = standing_of(connection, query);
  Board board;
  board.maximize = standing.sweep.objective_goal == "maximize";
  board.metrics.push_back(standing.sweep.objective_metric);
  for (const std::string key : standing.report) {
    if (key != board.metrics.front()) board.metrics.push_back(key);
  }
  for (const Cell& cell : standing.cells) board.cells.push_back(board_cell(standing, cell));
  return board;
}

LeaderboardView leaderboard_view(Connection& connection, const BoardQuery& query, const Ask& ask) {
  const Standing standing = standing_of(connection, query);
  LeaderboardView view;
  view.question = {query.sweep + "\n" + query.baseline, state_of(standing)};
  const Statistician::Answer answer = ask(view.question);
  view.current = answer.current;
  view.document = json::array();
  const std::map<std::string, Judgement> judgements = judgements_of(standing, answer);
  int place = 0;
  for (const std::size_t i : standing.order) {
    const Cell& cell = standing.cells[i];
    const Judgement& judgement = judgements.at(cell.runs.front().cell);
    json row = row_of(connection, cell, standing.baseline_of(cell), standing.report, judgement);
    if (standing.ranked(cell)) set_rank(judgement, ++place, row);
    view.document.push_back(std::move(row));
  }
  return view;
}

}  // namespace sarsweep::coordinator
