#include "coordinator/core/best_parent.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <nlohmann/json.hpp>

#include "coordinator/core/parent_checkpoint.h"
#include "coordinator/store/metric_store.h"

namespace sarsweep::coordinator {
namespace {

bool has_ended(RunState state) { return is_terminal(state) || state == RunState::blocked; }

// nullopt where the run has no finite value that belongs to the checkpoint.
std::optional<double> value_of(Connection& connection, const RunRow& run, const std::string& by,
                               const std::string& which) {
  const RunRow data = RunStore(connection).need(run.data_run());
  const auto checkpoint = chosen_checkpoint(connection, data, which);
  if (!checkpoint) return std::nullopt;
  std::optional<double> value;
  for (const MetricPoint& point : MetricStore(connection).series(data.id, by)) {
    if (point.step <= checkpoint->step && std::isfinite(point.value)) value = point.value;
  }
  return value;
}

const char* plural(std::size_t n) { return n == 1 ? "" : "s"; }

}  // namespace

std::optional<sweep::BestRef> best_ref_of(const RunRow& run) {
  if (!run.parent_choice) return std::nullopt;
  return nlohmann::json::parse(*run.parent_choice).get<sweep::BestRef>();
}

StudyLook look_at_study(Connection& connection, std::int64_t sweep, const std::string& study) {
  StudyLook look;
  for (const StudyRun& run : RunStore(connection).of_study(sweep, study)) {
    if (has_ended(run.state)) continue;
    if (look.left++ == 0) look.next = run.name;
  }
  return look;
}

ParentChooser::Ranking ParentChooser::rank(const RunRow& child, const sweep::BestRef& best) {
  Ranking cells;
  RunStore runs(connection_);
  for (const StudyRun& member : runs.of_study(child.sweep, best.study)) {
    if (member.state != RunState::done) continue;
    RunRow run = runs.need(member.id);
    const auto value = value_of(connection_, run, best.by, child.parent_checkpoint);
    if (!value) continue;
    auto cell = std::find_if(cells.begin(), cells.end(),
                             [&](const Cell& other) { return other.name == run.cell; });
    if (cell == cells.end()) cell = cells.insert(cells.end(), Cell{run.cell, {}, {}, 0});
    cell->runs.push_back(std::move(run));
    cell->values.push_back(*value);
  }
  for (Cell& cell : cells) {
    cell.mean = std::accumulate(cell.values.begin(), cell.values.end(), 0.0) /
                static_cast<double>(cell.values.size());
  }
  std::stable_sort(cells.begin(), cells.end(),
                   [](const Cell& a, const Cell& b) { return a.mean < b.mean; });
  return cells;
}

const std::optional<ParentChooser::Ranking>& ParentChooser::ranking(const RunRow& child,
                                                                    const sweep::BestRef& best) {
  const auto [place, fresh] = rankings_.try_emplace(
      std::make_tuple(child.sweep, best.study, best.by, child.parent_checkpoint));
  const bool ended = fresh && look_at_study(connection_, child.sweep, best.study).left == 0;
  if (ended) place->second = rank(child, best);
  return place->second;
}

Choice ParentChooser::choose(const RunRow& child, const sweep::BestRef& best) {
  const std::optional<Ranking>& ranked = ranking(child, best);
  if (!ranked) return {};
  const auto index = static_cast<std::size_t>(best.index);
  if (index >= ranked->size()) {
    return {std::nullopt,
            fmt::format("it starts from number {} of the study {}, which has {} finished cell{} "
                        "with {}",
                        index + 1, best.study, ranked->size(), plural(ranked->size()), best.by)};
  }
  const Cell& cell = (*ranked)[index];
  if (!best.per_seed) {
    const auto lowest = std::min_element(cell.values.begin(), cell.values.end());
    return {cell.runs[static_cast<std::size_t>(lowest - cell.values.begin())], ""};
  }
  const auto same = std::find_if(cell.runs.begin(), cell.runs.end(),
                                 [&](const RunRow& run) { return run.seed == child.seed; });
  if (same != cell.runs.end()) return {*same, ""};
  return {std::nullopt,
          fmt::format("its parent {} has no finished seed {}", cell.name, child.seed)};
}

}  // namespace sarsweep::coordinator
