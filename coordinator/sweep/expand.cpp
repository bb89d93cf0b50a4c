#include "coordinator/sweep/expand.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
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

// What makes two runs one: equal training and equal judgement. Points into the cells.
struct RunKey {
  std::string_view cell_hash, judge_hash;
  std::int64_t seed = 0;
  bool operator==(const RunKey&) const = default;
};
struct RunKeyHash {
  std::size_t operator()(const RunKey& key) const {
    return std::hash<std::string_view>()(key.cell_hash) ^ static_cast<std::size_t>(key.seed);
  }
};

// Where the values of a cell come from. The points of a grid differ in values, seldom in lines:
// what a cell has in common with the one before it is not made again.
class Provenance {
 public:
  explicit Provenance(const SweepSource& source) : source_(source) {
    for (const config::Field& field : config::fields()) {
      using enum config::FieldType;
      if (field.type == path || field.type == model) paths_.push_back(config::position(field));
    }
  }

  const config::Value& origins_of(const Cell& cell) {
    if (!origins_.is_null() && says_the_same(cell)) return origins_;
    last_.clear();
    json origins = json::object();
    each_origin(cell, [&](const sweep::Setting& setting) {
      last_.push_back(&setting);
      origins[setting.field] = setting.origin;
      return true;
    });
    origins_ = config::Value(std::move(origins));
    return origins_;
  }

  const config::Value& path_bases_of(const Cell& cell) {
    json bases = json::object();
    const auto& settings = cell.row.settings();
    for (const std::size_t i : paths_) {
      if (settings.empty()) break;
      const sweep::SharedSetting& setting = settings[i];
      if (setting == nullptr || !setting->value.json().is_string()) continue;
      if (cell.config.at(config::fields()[i]).is_null()) continue;
      const std::string& text = setting->value.json().get_ref<const std::string&>();
      const auto& words = config::fields()[i].choices;
      if (std::find(words.begin(), words.end(), text) != words.end() || text.front() == '/')
        continue;
      bases[setting->field] = setting->from_set ? source_.cwd : source_.dir;
    }
    if (path_bases_.is_null() || path_bases_.json() != bases) {
      path_bases_ = config::Value(std::move(bases));
    }
    return path_bases_;
  }

 private:
  // The settings of what stands in the cell's config, until `visit` returns false.
  template <typename Visit>
  static void each_origin(const Cell& cell, const Visit& visit) {
    const auto& settings = cell.row.settings();
    for (std::size_t i = 0; i < settings.size(); ++i) {
      if (settings[i] == nullptr || cell.config.at(config::fields()[i]).is_null()) continue;
      if (!visit(*settings[i])) return;
    }
  }

  bool says_the_same(const Cell& cell) const {
    std::size_t n = 0;
    bool same = true;
    each_origin(cell, [&](const sweep::Setting& setting) {
      same = n < last_.size() && last_[n]->field == setting.field &&
             last_[n]->origin == setting.origin;
      ++n;
      return same;
    });
    return same && n == last_.size();
  }

  const SweepSource& source_;
  std::vector<std::size_t> paths_;           // positions of the fields that hold one
  std::vector<const sweep::Setting*> last_;  // that made origins_; the cells keep them
  config::Value origins_, path_bases_;
};

class Planner {
 public:
  Planner(std::vector<Cell>& cells, const sweep::SweepFile& file, const SweepSource& source)
      : cells_(cells), file_(file), provenance_(source) {}

  void plan(ExpandedSweep& result) {
    find_targets();
    std::size_t runs = 0;
    for (const Cell& cell : cells_) runs += cell.seeds.size();
    result.runs.reserve(runs);
    firsts_.reserve(runs);
    std::unordered_set<RunKey, RunKeyHash> distinct;
    for (Cell& cell : cells_) {
      distinct.insert({cell.cell_hash, cell.judge_hash});
      add_runs(cell, result);
    }
    result.cells = static_cast<std::int64_t>(cells_.size());
    result.distinct_cells = static_cast<std::int64_t>(distinct.size());
    result.trainings = std::count_if(result.runs.begin(), result.runs.end(),
                                     [](const PlannedRun& run) { return !run.alias_of; });
  }

 private:
  // Moves the configuration out of the cell: nothing asks a cell for it any more.
  void add_runs(Cell& cell, ExpandedSweep& result) {
    PlannedRun run;
    run.cell = cell.name;
    run.label = std::move(cell.label);
    run.study = file_.studies[cell.study].name;
    run.cell_hash = cell.cell_hash;
    run.judge_hash = cell.judge_hash;
    run.origins = provenance_.origins_of(cell);
    run.path_bases = provenance_.path_bases_of(cell);
    run.config = std::move(cell.config);
    run.axes = config::Value(std::move(cell.axes));
    for (const std::int64_t seed : cell.seeds) {
      run.name = cell.seeds.size() > 1 ? fmt::format("{}-s{}", cell.name, seed) : cell.name;
      run.seed = seed;
      run.run_hash = sweep::run_hash(cell.cell_hash, seed);
      run.parent = parent_of(cell, seed);
      const RunKey key{cell.cell_hash, cell.judge_hash, seed};
      const auto [first, is_new] = firsts_.try_emplace(key, result.runs.size());
      run.alias_of = is_new ? std::nullopt : std::optional(result.runs[first->second].name);
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
    reference.cell = target == targets_.end() ? parent.name : target->second->name;
    return reference;
  }

  // The first cell that plans each run; parents may stand behind their children in the file.
  void find_targets() {
    const bool wanted = std::any_of(cells_.begin(), cells_.end(), [](const Cell& cell) {
      return cell.parent && cell.parent->found;
    });
    if (!wanted) return;
    for (const Cell& cell : cells_) {
      for (const std::int64_t seed : cell.seeds) {
        targets_.try_emplace({cell.cell_hash, cell.judge_hash, seed}, &cell);
      }
    }
  }

  std::vector<Cell>& cells_;
  const sweep::SweepFile& file_;
  Provenance provenance_;
  std::unordered_map<RunKey, std::size_t, RunKeyHash> firsts_;  // in the plan
  std::unordered_map<RunKey, const Cell*, RunKeyHash> targets_;
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
  sweep::check_judge(cells, file, diagnostics);
  sweep::connect(cells, file, diagnostics);
  if (diagnostics.has_errors()) return;
  sweep::label_cells(cells);
  Planner(cells, file, source).plan(result);
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
