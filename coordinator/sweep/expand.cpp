#include "coordinator/sweep/expand.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "coordinator/sweep/cell_config.h"
#include "coordinator/sweep/labels.h"
#include "coordinator/sweep/layer_reader.h"
#include "coordinator/sweep/lineage.h"
#include "coordinator/sweep/rows.h"
#include "coordinator/sweep/sweep_file.h"
#include "coordinator/sweep/yaml_reader.h"
#include "schema/config/fields.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;
using sweep::Cell;

// A run that was planned before: equal training and equal judgement.
using RunKey = std::tuple<std::string, std::string, std::int64_t>;

json origins_of(const Cell& cell) {
  json origins = json::object();
  for (const sweep::SharedSetting& setting : cell.row.settings()) {
    if (setting == nullptr || !cell.config.contains(setting->field)) continue;
    origins[setting->field] = setting->origin;
  }
  return origins;
}

json path_bases_of(const Cell& cell, const SweepSource& source) {
  json bases = json::object();
  for (const sweep::SharedSetting& setting : cell.row.settings()) {
    if (setting == nullptr || !setting->value.json().is_string()) continue;
    const config::FieldType type = config::find_field(setting->field)->type;
    const bool path = type == config::FieldType::path || type == config::FieldType::model;
    if (!path || !cell.config.contains(setting->field)) continue;
    if (setting->value.json().get<std::string>().front() == '/') continue;
    bases[setting->field] = setting->from_set ? source.cwd : source.dir;
  }
  return bases;
}

class Planner {
 public:
  Planner(std::vector<Cell>& cells, const sweep::SweepFile& file, const SweepSource& source)
      : cells_(cells), file_(file), source_(source) {}

  void plan(ExpandedSweep& result) {
    std::set<std::pair<std::string, std::string>> distinct;
    for (Cell& cell : cells_) {
      distinct.emplace(cell.cell_hash, cell.judge_hash);
      add_runs(cell, result);
    }
    result.cells = static_cast<std::int64_t>(cells_.size());
    result.distinct_cells = static_cast<std::int64_t>(distinct.size());
    result.trainings = std::count_if(result.runs.begin(), result.runs.end(),
                                     [](const PlannedRun& run) { return !run.alias_of; });
  }

 private:
  struct First {
    std::string run, cell;
  };

  // Moves the configuration out of the cell: nothing asks a cell for it any more.
  void add_runs(Cell& cell, ExpandedSweep& result) {
    PlannedRun run;
    run.cell = cell.name;
    run.label = cell.label;
    run.study = file_.studies[cell.study].name;
    run.cell_hash = cell.cell_hash;
    run.judge_hash = cell.judge_hash;
    run.origins = origins_of(cell);
    run.path_bases = path_bases_of(cell, source_);
    run.config = std::move(cell.config);
    run.axes = std::move(cell.axes);
    for (const std::int64_t seed : cell.seeds) {
      run.name = cell.seeds.size() > 1 ? fmt::format("{}-s{}", cell.name, seed) : cell.name;
      run.seed = seed;
      run.run_hash = sweep::run_hash(cell.cell_hash, seed);
      run.parent = parent_of(cell, seed);
      const RunKey key{cell.cell_hash, cell.judge_hash, seed};
      const auto [first, is_new] = firsts_.try_emplace(key, First{run.name, run.cell});
      run.alias_of = is_new ? std::nullopt : std::optional(first->second.run);
      result.runs.push_back(seed == cell.seeds.back() ? std::move(run) : run);
    }
  }

  // An alias has no state of its own, so a child waits for the run behind it.
  std::optional<ParentRef> parent_of(const Cell& cell, std::int64_t seed) const {
    if (!cell.parent) return std::nullopt;
    ParentRef reference;
    reference.sweep = cell.parent->sweep;
    reference.cell = cell.parent->cell;
    reference.seed = cell.parent->seed.value_or(seed);
    reference.any_seed = cell.parent->outside;
    reference.checkpoint = cell.parent->checkpoint;
    reference.best = cell.parent->best;
    if (!cell.parent->found) return reference;
    const Cell& parent = cells_[cell.parent->index];
    const auto target = targets_.find({parent.cell_hash, parent.judge_hash, reference.seed});
    reference.cell = target == targets_.end() ? parent.name : target->second;
    return reference;
  }

 public:
  // The first cell that plans each run; parents may stand behind their children in the file.
  void find_targets() {
    for (const Cell& cell : cells_) {
      for (const std::int64_t seed : cell.seeds) {
        targets_.try_emplace({cell.cell_hash, cell.judge_hash, seed}, cell.name);
      }
    }
  }

 private:
  std::vector<Cell>& cells_;
  const sweep::SweepFile& file_;
  const SweepSource& source_;
  std::map<RunKey, First> firsts_;
  std::map<RunKey, std::string> targets_;
};

void describe(const sweep::SweepFile& file, ExpandedSweep& result) {
  result.name = file.name;
  result.description = file.description;
  result.objective_metric = file.metric;
  result.objective_goal = file.goal;
  result.report = file.report;
  result.gpu_hours = file.limits.gpu_hours;
  result.max_failures = file.limits.max_failures;
  if (file.limits.hold_on_failure) result.max_failures = 1;
  for (const sweep::Study& study : file.studies) {
    result.studies.push_back(study.name);
    if (!study.baseline.empty()) result.baselines[study.name] = study.baseline;
  }
}

// A limit of the file's own: crossing it is a mistake in the file, found before anything runs.
void hold_to_limits(const sweep::Limits& limits, sweep::Diagnostics& diagnostics,
                    ExpandedSweep& result) {
  if (!limits.max_runs || result.trainings <= *limits.max_runs) return;
  diagnostics.error(limits.max_runs_place, "over_limit",
                    fmt::format("the sweep trains {} runs, and limits.max_runs is {}",
                                result.trainings, *limits.max_runs),
                    "raise the limit, or list fewer values or seeds");
  result.runs.clear();
}

void expand_root(const sweep::YamlNode& root, const SweepSource& source,
                 sweep::Diagnostics& diagnostics, ExpandedSweep& result) {
  sweep::LayerReader layers(source, diagnostics);
  const sweep::SweepFile file = sweep::read_sweep_file(root, layers);
  const sweep::Layer set = layers.set_layer();
  describe(file, result);
  result.needs_files = layers.needs_files();
  std::vector<Cell> cells = sweep::make_cells(file, set, diagnostics);
  for (Cell& cell : cells) {
    if (!diagnostics.full()) sweep::complete(cell, file, diagnostics);
  }
  if (diagnostics.full()) return;
  sweep::check_ratios(cells, diagnostics);
  sweep::connect(cells, file, diagnostics);
  if (diagnostics.has_errors()) return;
  sweep::label_cells(cells);
  Planner planner(cells, file, source);
  planner.find_targets();
  planner.plan(result);
  hold_to_limits(file.limits, diagnostics, result);
}

}  // namespace

bool ExpandedSweep::has_errors() const {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& diagnostic) { return diagnostic.severity == "error"; });
}

ExpandedSweep expand(const SweepSource& source) {
  ExpandedSweep result;
  sweep::Diagnostics diagnostics(source.file, source.text);
  if (const auto root = sweep::read_yaml(source.text, diagnostics)) {
    expand_root(*root, source, diagnostics, result);
  }
  result.diagnostics = diagnostics.take();
  return result;
}

}  // namespace sarsweep::coordinator
