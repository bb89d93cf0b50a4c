#include "coordinator/core/cell_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "coordinator/core/history_views.h"
#include "coordinator/core/selector.h"
#include "coordinator/core/statistics_json.h"
#include "coordinator/store/metric_store.h"
#include "coordinator/store/sweep_store.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr const char* kAlways[] = {"eval/kl_pooled",     "eval/kl_label_mean",
                                   "eval/jsd_pooled",    "eval/wasserstein1_pooled",
                                   "eval/glcm_distance", "eval/saturation_generated",
                                   "eval/clip_rank",     "val/loss"};

// One side: the runs that stand for it.
struct Side {
  std::string name;
  std::vector<RunRow> runs;  // as named
  std::vector<RunRow> done;  // the data of the finished ones
  std::vector<std::int64_t> seeds;
  std::vector<std::string> results;  // digests of the result documents of each of `done`
  std::string protocol;
};

bool of_cell(const RunRow& run, const std::string& name) {
  return run.cell == name || run.sweep_name + "/" + run.cell == name;
}

// Every run of the one cell of that name; empty if there is none.
std::vector<RunRow> runs_of_cell(Connection& connection, const std::string& name) {
  std::vector<RunRow> found;
  std::set<std::string> sweeps;
  for (const RunRow& run : RunStore(connection).all()) {
    if (!of_cell(run, name) || run.withdrawn()) continue;
    found.push_back(run);
    sweeps.insert(run.sweep_name);
  }
  if (sweeps.size() > 1) {
    throw Error(ErrorCode::invalid,
                fmt::format("'{}' is a cell of {} sweeps; name one, such as {}/{}", name,
                            sweeps.size(), *sweeps.begin(), name),
                "selector");
  }
  return found;
}

Side side_of(Connection& connection, const std::string& name) {
  RunStore runs(connection);
  Side side;
  side.runs = runs_of_cell(connection, name);
  side.name = side.runs.empty() ? "" : side.runs.front().cell;
  if (side.runs.empty()) {
    side.runs = select_runs(connection, {.selector = name, .limit = 2});
    if (side.runs.size() > 1) {
      throw Error(ErrorCode::invalid, "'" + name + "' names several runs; name a cell or a run",
                  "selector");
    }
    side.name = side.runs.front().name;
  }
  std::set<std::string> protocols;
  for (const RunRow& run : side.runs) {
    const RunRow life = run.alias_of ? runs.need(*run.alias_of) : run;
    if (life.state != RunState::done) continue;
    side.done.push_back(runs.need(life.data_run()));
    side.seeds.push_back(run.seed);
    const auto result = newest_evaluation(connection, side.done.back().id);
    side.results.push_back(result ? result->sha256 : std::string());
    if (result) protocols.insert(result->protocol_hash);
  }
  if (protocols.size() > 1) {
    throw Error(ErrorCode::invalid,
                "the runs of '" + name +
                    "' were judged by different protocols, so they have no common mean; name one "
                    "of its runs",
                "selector");
  }
  if (!protocols.empty()) side.protocol = *protocols.begin();
  return side;
}

struct Sides {
  Side a, b;
  std::vector<std::string> metrics;  // the objective in front
  bool maximize = false;
};

Sides sides_of(Connection& connection, const DiffQuery& query) {
  if (query.a.empty() || query.b.empty()) {
    throw Error(ErrorCode::invalid, "diff takes two cells or runs, a and b", "a");
  }
  Sides sides{side_of(connection, query.a), side_of(connection, query.b), {}, false};
  const SweepRow sweep = SweepStore(connection).need(sides.a.runs.front().sweep_name);
  sides.maximize = sweep.objective_goal == "maximize";
  const auto add = [&](const std::string& metric) {
    const auto& known = sides.metrics;
    if (std::find(known.begin(), known.end(), metric) == known.end()) {
      sides.metrics.push_back(metric);
    }
  };
  add(sweep.objective_metric);
  for (const std::string metric : json::parse(sweep.report)) add(metric);
  for (const char* metric : kAlways) add(metric);
  return sides;
}

BoardCell board_cell(Connection& connection, const Sides& sides, const Side& side,
                     const std::string& name) {
  BoardCell cell{.name = name, .study = "", .protocol = side.protocol, .runs = {}, .baseline = "a"};
  MetricStore metrics(connection);
  for (std::size_t i = 0; i < side.done.size(); ++i) {
    BoardRun run{side.seeds[i], side.results[i], {}};
    for (const std::string& metric : sides.metrics) {
      const auto point = metrics.last(side.done[i].id, metric);
      if (point && !std::isnan(point->value)) run.values[metric] = point->value;
    }
    cell.runs.push_back(std::move(run));
  }
  return cell;
}

std::string state_of(const Sides& sides) {
  Sha256 digest;
  for (const Side* side : {&sides.a, &sides.b}) {
    for (std::size_t i = 0; i < side->done.size(); ++i) {
      const RunRow& data = side->done[i];
      digest.update(fmt::format("{} {} {} {} {} {}\n", side->seeds[i], data.id, data.generation,
                                data.lease_epoch, side->protocol, side->results[i]));
    }
    digest.update("/");
  }
  for (const std::string& metric : sides.metrics) digest.update(metric + "\n");
  return digest.hex();
}

json side_json(const Side& side) {
  const RunRow& first = side.runs.front();
  return {{"name", side.name},
          {"sweep", first.sweep_name},
          {"label", first.label},
          {"seeds", side.done.size()},
          {"protocol_hash", side.protocol.empty() ? json(nullptr) : json(side.protocol)}};
}

// The fields in which the first runs differ; null where one has none.
json config_json(const Side& a, const Side& b) {
  const json one = a.runs.front().config.whole();
  const json other = b.runs.front().config.whole();
  std::set<std::string> fields;
  for (const json* config : {&one, &other}) {
    for (const auto& [field, value] : config->items()) fields.insert(field);
  }
  json out = json::array();
  for (const std::string& field : fields) {
    const json left = one.value(field, json());
    const json right = other.value(field, json());
    if (left != right) out.push_back({{"field", field}, {"a", left}, {"b", right}});
  }
  return out;
}

json side_numbers(const stats::Estimate& estimate) {
  json out = interval_json(estimate);
  out["mean"] = estimate.mean;
  return out;
}

json metrics_json(const BoardStatistics& statistics) {
  const CellStatistics& a = statistics.cells.at(0);
  const CellStatistics& b = statistics.cells.at(1);
  json out = json::object();
  for (const auto& [metric, of_a] : a.numbers->metrics) {
    const auto of_b = b.numbers->metrics.find(metric);
    if (of_b == b.numbers->metrics.end()) continue;
    json entry = comparison_json(of_b->second.comparison, p_holm_of(b, metric));
    entry["a"] = side_numbers(of_a.estimate);
    entry["b"] = side_numbers(of_b->second.estimate);
    out[metric] = std::move(entry);
  }
  return out;
}

}  // namespace

Board diff_board(Connection& connection, const DiffQuery& query) {
  const Sides sides = sides_of(connection, query);
  return {.metrics = sides.metrics,
          .maximize = sides.maximize,
          .per_label = true,
          .cells = {board_cell(connection, sides, sides.a, "a"),
                    board_cell(connection, sides, sides.b, "b")}};
}

LeaderboardView diff_view(Connection& connection, const DiffQuery& query, const Ask& ask) {
  const Sides sides = sides_of(connection, query);
  LeaderboardView view;
  view.question = {"diff\n" + query.a + "\n" + query.b, state_of(sides)};
  const Statistician::Answer answer = ask(view.question);
  view.current = answer.current;
  view.document = {{"a", side_json(sides.a)},
                   {"b", side_json(sides.b)},
                   {"config", config_json(sides.a, sides.b)},
                   {"metrics", json::object()},
                   {"floor", json::object()},
                   {"computing", !answer.current}};
  if (answer.current && answer.statistics != nullptr && answer.statistics->complete) {
    view.document["metrics"] = metrics_json(*answer.statistics);
    for (const auto& [metric, value] : answer.statistics->cells.front().numbers->floor) {
      if (view.document["metrics"].contains(metric)) view.document["floor"][metric] = digits(value);
    }
  }
  return view;
}

}  // namespace sarsweep::coordinator
