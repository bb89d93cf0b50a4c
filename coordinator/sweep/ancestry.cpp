#include "coordinator/sweep/ancestry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "coordinator/sweep/names.h"
#include "coordinator/sweep/rows.h"

namespace sarsweep::sweep {
namespace {

// Nodes: the cells, then the studies. A cell needs its parent, or the study that its parent is
// chosen from; a study needs its cells.
class Ancestry {
 public:
  Ancestry(std::vector<Cell>& cells, const SweepFile& file, Diagnostics& diagnostics)
      : cells_(cells), file_(file), diagnostics_(diagnostics) {
    const std::size_t nodes = cells.size() + file.studies.size();
    needs_.resize(nodes);
    needed_by_.resize(nodes);
    missing_.resize(nodes);
    members_.resize(file.studies.size());
  }

  void run() {
    for (std::size_t i = 0; i < cells_.size(); ++i) link(i);
    std::vector<std::size_t> ready;
    for (std::size_t node = 0; node < needs_.size(); ++node) {
      missing_[node] = needs_[node].size();
      if (missing_[node] == 0) ready.push_back(node);
    }
    for (std::size_t at = 0; at < ready.size(); ++at) {
      if (ready[at] < cells_.size()) settle(cells_[ready[at]]);
      for (const std::size_t next : needed_by_[ready[at]]) {
        if (--missing_[next] == 0) ready.push_back(next);
      }
    }
    if (ready.size() < needs_.size()) report_cycle();
    check_count();
  }

 private:
  void need(std::size_t node, std::size_t other) {
    needs_[node].push_back(other);
    needed_by_[other].push_back(node);
  }

  void link(std::size_t i) {
    const Cell& cell = cells_[i];
    if (cell.cell_hash.empty()) return;
    need(cells_.size() + cell.study, i);
    members_[cell.study].push_back(i);
    if (!cell.parent) return;
    if (cell.parent->found) need(i, cell.parent->index);
    if (!cell.parent->best) return;
    if (const auto study = find_study(cell.parent->best->study)) {
      need(i, cells_.size() + *study);
    } else {
      report_unknown(*cell.parent);
    }
  }

  std::optional<std::size_t> find_study(const std::string& name) const {
    for (std::size_t i = 0; i < file_.studies.size(); ++i) {
      if (!name.empty() && file_.studies[i].name == name) return i;
    }
    return std::nullopt;
  }

  void report_unknown(const CellParent& parent) {
    const std::string& name = parent.best->study;
    std::vector<std::string> names;
    for (const Study& study : file_.studies) names.push_back(study.name);
    const std::string nearest = nearest_name(name, names);
    diagnostics_.error(parent.place, "unknown_parent",
                       "the parent's study '" + name + "' is no study of this sweep",
                       nearest.empty() ? "the best is taken from a study of the same file"
                                       : "did you mean '" + nearest + "'?");
  }

  // Follows what is missing until a node comes again: that one is its own ancestor.
  void report_cycle() {
    std::size_t node = 0;
    while (missing_[node] == 0) ++node;
    std::vector<std::size_t> path;
    while (std::find(path.begin(), path.end(), node) == path.end()) {
      path.push_back(node);
      node = *std::find_if(needs_[node].begin(), needs_[node].end(),
                           [&](std::size_t other) { return missing_[other] > 0; });
    }
    for (auto at = std::find(path.begin(), path.end(), node); at != path.end(); ++at) {
      if (*at >= cells_.size() || !cells_[*at].parent->best) continue;
      const Cell& cell = cells_[*at];
      diagnostics_.error(cell.parent->place, "parent_cycle",
                         "the parents of '" + cell.name +
                             "' lead back to itself through the study '" +
                             cell.parent->best->study + "'",
                         "let one of them start from a model folder");
      return;
    }
  }

  void settle(Cell& cell) {
    if (cell.cell_hash.empty()) return;
    if (cell.inherits_seeds) inherit(cell);
    if (!cell.parent) return;
    if (cell.parent->best) {
      check_best(cell);
    } else if (cell.parent->found) {
      check_named(cell);
    }
  }

  void refuse_inherit(const Cell& cell, const std::string& message) {
    diagnostics_.error(file_.studies[cell.study].seeds_place, "no_seeds", message,
                       "list them: seeds: [0, 1, 2]");
  }

  void inherit(Cell& cell) {
    if (!cell.parent) {
      return refuse_inherit(cell,
                            "seeds: inherit needs a parent, and '" + cell.name + "' has none");
    }
    if (cell.parent->outside) {
      return refuse_inherit(cell, "seeds: inherit needs a parent in this file, and that of '" +
                                      cell.name + "' lies in the sweep '" + cell.parent->sweep +
                                      "'");
    }
    if (cell.parent->best) {
      const auto study = find_study(cell.parent->best->study);
      if (!study) return;  // said before
      cell.seeds = common_seeds(*study);
      if (cell.seeds.empty()) {
        refuse_inherit(cell,
                       "the runs of '" + cell.parent->best->study + "' have no seed in common");
      }
    } else if (cell.parent->found) {
      const std::vector<std::int64_t>& seeds = cells_[cell.parent->index].seeds;
      cell.seeds = cell.parent->seed ? std::vector{*cell.parent->seed} : seeds;
    }
  }

  // Those that every cell of the study has, in the order of the first.
  std::vector<std::int64_t> common_seeds(std::size_t study) const {
    std::vector<std::int64_t> common;
    for (const std::size_t i : members_[study]) {
      const std::vector<std::int64_t>& seeds = cells_[i].seeds;
      if (i == members_[study].front()) common = seeds;
      std::erase_if(common, [&](std::int64_t seed) { return !contains(seeds, seed); });
    }
    return common;
  }

  static bool contains(const std::vector<std::int64_t>& seeds, std::int64_t seed) {
    return std::find(seeds.begin(), seeds.end(), seed) != seeds.end();
  }

  void check_best(const Cell& cell) {
    const BestRef& best = *cell.parent->best;
    const auto study = find_study(best.study);
    if (!study) return;
    std::set<std::pair<std::string, std::string>> distinct;
    for (const std::size_t i : members_[*study]) {
      distinct.emplace(cells_[i].cell_hash, cells_[i].judge_hash);
    }
    if (static_cast<std::size_t>(best.index) >= distinct.size()) {
      diagnostics_.error(cell.parent->place, "too_few_parents",
                         fmt::format("the study '{}' has {} different cells, too few for k",
                                     best.study, distinct.size()),
                         fmt::format("write k: {}", distinct.size()));
      return;
    }
    if (!best.per_seed) return;
    const std::vector<std::int64_t> seeds = common_seeds(*study);
    for (const std::int64_t seed : cell.seeds) {
      if (contains(seeds, seed)) continue;
      diagnostics_.error(cell.parent->place, "parent_lacks_seed",
                         fmt::format("not every run of '{}' has the seed {}", best.study, seed),
                         "write seeds: inherit, or per_seed: false");
      return;
    }
  }

  void check_named(Cell& cell) {
    const Cell& parent = cells_[cell.parent->index];
    if (!cell.parent->seed && parent.seeds.size() == 1) cell.parent->seed = parent.seeds.front();
    for (const std::int64_t seed : cell.seeds) {
      const std::int64_t wanted = cell.parent->seed.value_or(seed);
      if (contains(parent.seeds, wanted)) continue;
      diagnostics_.error(
          cell.parent->place, "parent_lacks_seed",
          fmt::format("the parent '{}' has no seed {}", parent.name, wanted),
          fmt::format("add {} to its seeds, or name one of its runs with -sN", wanted));
      return;
    }
  }

  // make_cells() could not count the seeds that were inherited.
  void check_count() {
    std::size_t runs = 0;
    for (const Cell& cell : cells_) {
      runs += cell.seeds.size();
      if (runs <= static_cast<std::size_t>(kMostRuns)) continue;
      diagnostics_.error(file_.studies[cell.study].seeds_place, "too_many_runs",
                         fmt::format("more than {} runs with the inherited seeds", kMostRuns),
                         "take values, axes or seeds out, or split the sweep");
      return;
    }
  }

  std::vector<Cell>& cells_;
  const SweepFile& file_;
  Diagnostics& diagnostics_;
  std::vector<std::vector<std::size_t>> needs_, needed_by_;
  std::vector<std::size_t> missing_;               // of needs_, not settled yet
  std::vector<std::vector<std::size_t>> members_;  // cells of each study
};

}  // namespace

void settle_ancestry(std::vector<Cell>& cells, const SweepFile& file, Diagnostics& diagnostics) {
  Ancestry(cells, file, diagnostics).run();
}

}  // namespace sarsweep::sweep
