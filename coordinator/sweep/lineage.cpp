#include "coordinator/sweep/lineage.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "coordinator/sweep/ancestry.h"
#include "coordinator/sweep/names.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/config/fields.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

struct Numbered {
  std::string name;
  std::int64_t seed = 0;
};

// "whale-north-8-s1" -> whale-north-8 and 1; nullopt where no -sN ends it.
std::optional<Numbered> split_seed(const std::string& name) {
  const std::size_t dash = name.rfind("-s");
  if (dash == std::string::npos || dash == 0 || dash + 2 == name.size()) return std::nullopt;
  Numbered split{name.substr(0, dash), 0};
  const char* end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data() + dash + 2, end, split.seed);
  if (error != std::errc() || at != end || split.seed < 0) return std::nullopt;
  return split;
}

class Connector {
 public:
  Connector(std::vector<Cell>& cells, const SweepFile& file, Diagnostics& diagnostics)
      : cells_(cells), file_(file), diagnostics_(diagnostics) {}

  void run() {
    for (std::size_t i = 0; i < cells_.size(); ++i) give_name(i);
    // A parent may carry a memorable name, which exists only once it is hashed: go round until
    // nothing moves. What is left has an unknown parent or is its own ancestor.
    bool moved = true;
    while (moved) {
      moved = false;
      for (std::size_t i = 0; i < cells_.size(); ++i) {
        if (cells_[i].cell_hash.empty() && ready(i)) {
          finish(i);
          moved = true;
        }
      }
    }
    for (Cell& cell : cells_) {
      if (cell.cell_hash.empty()) report_lost(cell);
    }
    settle_ancestry(cells_, file_, diagnostics_);
    check_run_names();
    for (std::size_t i = 0; i < file_.studies.size(); ++i) check_baseline(i);
  }

 private:
  void give_name(std::size_t i) {
    Cell& cell = cells_[i];
    const Study& study = file_.studies[cell.study];
    if (cell.name.empty() && !study.name_template.empty()) {
      try {
        cell.name = fill_template(study.name_template, cell.config);
      } catch (const Error& error) {
        const std::string nearest = config::nearest_field(error.field());
        diagnostics_.error(study.template_place, "bad_template", error.what(),
                           nearest.empty() ? "write name: \"{unet.mode}-r{unet.rank}\""
                                           : "did you mean '" + nearest + "'?");
      }
    }
    if (cell.name.empty()) return;
    if (cell.parent_rank) cell.name += fmt::format("-p{}", *cell.parent_rank + 1);
    if (taken_.insert(cell.name).second) {
      index_[cell.name] = i;
      return;
    }
    diagnostics_.error(cell.place, "duplicate_name",
                       "the run name '" + cell.name + "' is taken by " + first_place(cell.name),
                       "rename one of the two");
  }

  std::string first_place(const std::string& name) const {
    const Place place = cells_[index_.at(name)].place;
    return fmt::format("line {}", place.line);
  }

  bool ready(std::size_t i) {
    Cell& cell = cells_[i];
    if (!cell.parent || cell.parent->outside || cell.parent->best) return true;
    if (!cell.parent->found && !find_parent(*cell.parent)) return false;
    return !cells_[cell.parent->index].cell_hash.empty();
  }

  bool find_parent(CellParent& parent) {
    auto found = index_.find(parent.cell);
    if (found == index_.end()) {
      const auto split = split_seed(parent.cell);
      if (!split) return false;
      found = index_.find(split->name);
      if (found == index_.end()) return false;
      parent.seed = split->seed;
    }
    parent.index = found->second;
    parent.found = true;
    return true;
  }

  void finish(std::size_t i) {
    Cell& cell = cells_[i];
    const CellParent* reference = cell.parent ? &*cell.parent : nullptr;
    const Cell* parent =
        reference != nullptr && reference->found ? &cells_[reference->index] : nullptr;
    cell.cell_hash = science_hash(cell.config, parent, reference);
    cell.judge_hash = judgement_of(cell);
    if (!cell.name.empty()) return;
    cell.name = memorable_name(file_.studies[cell.study].name, cell.cell_hash, taken_);
    index_[cell.name] = i;
  }

  // Few cells are judged unlike the one before.
  const std::string& judgement_of(const Cell& cell) {
    std::string text = cell.config.text(config::FieldClass::judge);
    if (judge_hash_.empty() || text != judge_text_) {
      judge_hash_ = sha256(text);
      judge_text_ = std::move(text);
    }
    return judge_hash_;
  }

  void report_lost(const Cell& cell) {
    const CellParent& parent = *cell.parent;
    if (parent.found) {
      diagnostics_.error(parent.place, "parent_cycle",
                         "the parents of '" + cell.name + "' lead back to itself: " + chain(cell),
                         "let one of them start from a model folder");
      return;
    }
    std::vector<std::string> names;
    for (const auto& [name, index] : index_) names.push_back(name);
    std::sort(names.begin(), names.end());  // Of two that are as near, always the same.
    const std::string nearest = nearest_name(parent.cell, names);
    diagnostics_.error(parent.place, "unknown_parent",
                       "the parent '" + parent.cell + "' is no run of this sweep",
                       nearest.empty() ? "write SWEEP/NAME for a run of another sweep"
                                       : "did you mean '" + nearest + "'?");
  }

  std::string chain(const Cell& cell) const {
    std::string text = cell.name;
    const Cell* at = &cell;
    for (int hop = 0; hop < 8 && at->parent && at->parent->found; ++hop) {
      at = &cells_[at->parent->index];
      text += " <- " + at->name;
      if (at == &cell) break;
    }
    return text;
  }

  // A run is its cell's name, plus -sN where there are several seeds: that may meet a cell's own
  // name.
  void check_run_names() {
    for (const Cell& cell : cells_) {
      if (cell.seeds.size() < 2) continue;
      for (const std::int64_t seed : cell.seeds) {
        const std::string name = fmt::format("{}-s{}", cell.name, seed);
        const auto other = index_.find(name);
        if (other == index_.end()) continue;
        diagnostics_.error(cells_[other->second].place, "duplicate_name",
                           "the run name '" + name + "' is also seed " + std::to_string(seed) +
                               " of '" + cell.name + "'",
                           "rename one of the two");
      }
    }
  }

  void check_baseline(std::size_t study) {
    const std::string& wanted = file_.studies[study].baseline;
    if (wanted.empty()) return;
    std::vector<std::string> names;
    for (const Cell& cell : cells_) {
      if (cell.study != study) continue;
      if (cell.name == wanted) return;
      names.push_back(cell.name);
    }
    const std::string nearest = nearest_name(wanted, names);
    diagnostics_.error(file_.studies[study].baseline_place, "unknown_baseline",
                       "the baseline '" + wanted + "' is no run of this study",
                       nearest.empty() ? "name one of its runs without its seed"
                                       : "did you mean '" + nearest + "'?");
  }

  std::vector<Cell>& cells_;
  const SweepFile& file_;
  Diagnostics& diagnostics_;
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, std::size_t> index_;
  std::string judge_text_, judge_hash_;  // of the last cell
};

}  // namespace

std::string science_hash(const config::RunValues& config, const Cell* parent,
                         const CellParent* reference) {
  if (reference == nullptr || reference->best)
    return sha256(config.text(config::FieldClass::science));
  json model = {{"checkpoint", reference->checkpoint}};
  if (parent == nullptr) {
    model["run"] = reference->sweep + "/" + reference->cell;
  } else {
    model["parent"] = parent->cell_hash;
    if (reference->seed) model["seed"] = *reference->seed;
  }
  config::RunValues science = config;
  science.set("model.path", config::Value(std::move(model)));
  return sha256(science.text(config::FieldClass::science));
}

// A digest has nothing that JSON would escape.
std::string run_hash(const std::string& cell_hash, std::int64_t seed) {
  return sha256(fmt::format(R"({{"cell":"{}","seed":{}}})", cell_hash, seed));
}

void connect(std::vector<Cell>& cells, const SweepFile& file, Diagnostics& diagnostics) {
  Connector(cells, file, diagnostics).run();
}

}  // namespace sarsweep::sweep
