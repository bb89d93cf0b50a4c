#include "coordinator/core/sweep_diff.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "coordinator/core/best_parent.h"
#include "coordinator/core/families.h"
#include "coordinator/core/run_document.h"
#include "coordinator/store/sweep_store.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

class Comparison {
 public:
  Comparison(Connection& connection, const ExpandedSweep& expanded, const SweepSource& source)
      : runs_(connection), sweeps_(connection), expanded_(expanded), source_(source) {
    diff_.rows.resize(expanded.runs.size());
    index_.reserve(expanded.runs.size());
    bool has_parents = false;
    for (std::size_t i = 0; i < expanded.runs.size(); ++i) {
      index_[expanded.runs[i].name] = i;
      has_parents = has_parents || expanded.runs[i].parent;
    }
    for (std::size_t i = 0; has_parents && i < expanded.runs.size(); ++i) {
      cells_[expanded.runs[i].cell].push_back(i);
    }
  }

  SweepDiff finish() {
    const std::optional<SweepRow> sweep = sweeps_.find(expanded_.name);
    if (sweep) find_existing(*sweep);
    for (std::size_t i = 0; i < diff_.rows.size(); ++i) link(i);
    for (std::size_t i = 0; i < diff_.rows.size(); ++i) hash(i, 0);
    for (std::size_t i = 0; i < diff_.rows.size(); ++i) judge(i);
    return std::move(diff_);
  }

 private:
  void problem(const std::string& code, const std::string& message, const std::string& cure) {
    diff_.problems.push_back({.file = source_.file,
                              .severity = "error",
                              .code = code,
                              .message = message,
                              .suggestion = cure,
                              .source = ""});
  }

  void link(std::size_t i) {
    const PlannedRun& planned = expanded_.runs[i];
    if (planned.alias_of) {
      const auto target = index_.find(*planned.alias_of);
      if (target != index_.end()) diff_.rows[i].alias_index = target->second;
    }
    if (!planned.parent) return;
    const ParentRef& parent = *planned.parent;
    if (parent.best) return keep_choice(diff_.rows[i], *parent.best);
    if (parent.sweep == expanded_.name || parent.sweep.empty()) {
      link_inside(i, parent);
    } else {
      link_outside(i, parent);
    }
    if (!diff_.rows[i].parent_index && !diff_.rows[i].parent_run) {
      problem("unknown_parent",
              fmt::format("{}: there is no run '{}' with seed {} in the sweep '{}'", planned.name,
                          parent.cell, parent.seed, parent.sweep),
              "submit that sweep first, or correct the name");
    }
  }

  // A parent that was chosen stays, as long as the file says the same of it.
  void keep_choice(DiffRow& row, const sweep::BestRef& best) {
    if (!row.existing || !row.existing->parent || best_ref_of(*row.existing) != best) return;
    row.parent_run = runs_.need(*row.existing->parent);
  }

  void link_inside(std::size_t i, const ParentRef& parent) {
    const auto cell = cells_.find(parent.cell);
    if (cell == cells_.end()) return;
    std::optional<std::size_t>& found = diff_.rows[i].parent_index;
    std::vector<std::size_t> others;
    for (const std::size_t k : cell->second) {
      if (k == i) continue;
      others.push_back(k);
      if (expanded_.runs[k].seed == parent.seed) found = k;
    }
    if (!found && others.size() == 1) found = others.front();
  }

  void link_outside(std::size_t i, const ParentRef& parent) {
    std::vector<RunRow> cell;
    for (RunRow run : runs_of(parent.sweep)) {
      if (run.cell != parent.cell && run.name != parent.cell) continue;
      if (run.alias_of) run = runs_.need(*run.alias_of);
      if (run.seed == parent.seed) diff_.rows[i].parent_run = run;
      cell.push_back(run);
    }
    if (!diff_.rows[i].parent_run && cell.size() == 1) diff_.rows[i].parent_run = cell.front();
  }

  // Of another sweep, read once.
  const std::vector<RunRow>& runs_of(const std::string& name) {
    const auto [place, fresh] = others_.try_emplace(name);
    if (!fresh) return place->second;
    const std::optional<SweepRow> sweep = sweeps_.find(name);
    if (sweep) place->second = runs_.of_sweep(sweep->id);
    return place->second;
  }

  // The run's own hash joined with its parent's. `depth` bounds a file that names itself as parent.
  std::string hash(std::size_t i, std::size_t depth) {
    DiffRow& row = diff_.rows[i];
    if (!row.run_hash.empty()) return row.run_hash;
    const std::string own = expanded_.runs[i].run_hash;
    if (depth > diff_.rows.size()) {
      throw Error(ErrorCode::invalid, expanded_.runs[i].name + " is its own ancestor", "parent");
    }
    if (row.parent_index) {
      row.run_hash = child_hash(own, hash(*row.parent_index, depth + 1));
    } else if (row.parent_run) {
      row.run_hash = child_hash(own, row.parent_run->run_hash);
    } else {
      row.run_hash = own;
    }
    return row.run_hash;
  }

  static std::string absolute(const json& config, const json& paths) {
    const json all = with_absolute_paths(config, paths);
    json only = json::object();
    for (const auto& [field, base] : paths.items()) {
      if (field != "model.path" || all.value(field, json()).is_string()) {
        only[field] = all.value(field, json());
      }
    }
    return only.dump();
  }

  // A finished run with the same science, judged alike, on the very same paths.
  std::optional<RunRow> find_source(std::size_t i) {
    const PlannedRun& planned = expanded_.runs[i];
    if (!any_done_ || !runs_.is_done(diff_.rows[i].run_hash)) return std::nullopt;
    const std::vector<RunRow> same = runs_.with_hash(diff_.rows[i].run_hash);
    const std::string paths = absolute(planned.config.flat(), planned.path_bases.json());
    std::optional<RunRow> found;
    for (const RunRow& run : same) {
      if (run.state != RunState::done || run.judge_hash != planned.judge_hash) continue;
      if (absolute(run.config.whole(), json::parse(run.path_bases)) == paths)
        found = runs_.need(run.data_run());
    }
    return found;
  }

  static bool is_what_the_file_made(const RunRow& run, const std::string& hash) {
    return run.extended_from.value_or(run.run_hash) == hash;
  }

  void judge(std::size_t i) {
    const PlannedRun& planned = expanded_.runs[i];
    DiffRow& row = diff_.rows[i];
    if (row.existing && row.existing->forked) {
      problem("forked_run",
              fmt::format("{} is the name of a run that was forked from another", planned.name),
              "give the run another name");
      return;
    }
    const bool as_it_was = row.existing && is_what_the_file_made(*row.existing, row.run_hash);
    if (row.existing && !row.existing->never_started() && !as_it_was) {
      problem("changed_run",
              fmt::format("{} has started with another configuration and is never altered",
                          planned.name),
              fmt::format("give the changed run another name, or: sarsweep fork {}/{} --set "
                          "FIELD=VALUE",
                          expanded_.name, planned.name));
      return;
    }
    if (row.alias_index && (!row.existing || row.existing->never_started())) {
      row.action = PlanAction::alias;
      return;
    }
    if (as_it_was) {
      const bool returns =
          row.existing->reason == "withdrawn" || row.existing->alias_of.has_value();
      if (!returns) {
        row.action = PlanAction::kept;
        return;
      }
    }
    if (!source_.rerun && (!row.existing || row.existing->never_started())) {
      row.source = find_source(i);
    }
    if (row.existing) row.source.reset();  // Its name is taken by a run of its own.
    row.action = row.source ? PlanAction::cached : PlanAction::fresh;
  }

  // What the sweep has by now: rows of the file, and runs that left it.
  void find_existing(const SweepRow& sweep) {
    for (RunRow& run : runs_.of_sweep(sweep.id)) {
      const auto row = index_.find(run.name);
      if (row != index_.end()) {
        diff_.rows[row->second].existing = std::move(run);
      } else if (run.forked) {
        continue;
      } else if (run.alias_of) {
        diff_.lost_aliases.push_back(run);
      } else if (!is_terminal(run.state) && (run.never_started() || source_.prune)) {
        diff_.withdrawn.push_back(run);
      }
    }
  }

  RunStore runs_;
  SweepStore sweeps_;
  const ExpandedSweep& expanded_;
  const SweepSource& source_;
  std::unordered_map<std::string_view, std::size_t> index_;
  std::unordered_map<std::string_view, std::vector<std::size_t>> cells_;  // the runs of each
  std::map<std::string, std::vector<RunRow>> others_;
  const bool any_done_ = runs_.any_in(RunState::done);
  SweepDiff diff_;
};

}  // namespace

std::string_view to_string(PlanAction action) {
  switch (action) {
    case PlanAction::fresh: return "new";
    case PlanAction::kept: return "kept";
    case PlanAction::cached: return "cached";
    case PlanAction::alias: return "alias";
    case PlanAction::withdrawn: return "withdrawn";
  }
  return "";
}

SweepDiff compare(Connection& connection, const ExpandedSweep& expanded,
                  const SweepSource& source) {
  return Comparison(connection, expanded, source).finish();
}

}  // namespace sarsweep::coordinator
