#include "coordinator/sweep/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/sweep/best_parent.h"
#include "schema/config/field_value.h"

namespace sarsweep::sweep {
namespace {

// The number of grid points, or kMostRuns + 1 as soon as it is larger: the product never overflows.
std::int64_t grid_points(const std::vector<Axis>& axes) {
  std::int64_t points = 1;
  for (const Axis& axis : axes) {
    points *= static_cast<std::int64_t>(axis.points.size());
    if (points > kMostRuns) return kMostRuns + 1;
  }
  return points;
}

// The axis values of every grid point, the first axis slowest.
std::vector<Layer> cross(const std::vector<Axis>& axes) {
  std::vector<Layer> points = {Layer()};
  for (const Axis& axis : axes) {
    std::vector<Layer> longer;
    longer.reserve(points.size() * axis.points.size());
    for (const Layer& point : points) {
      for (const Layer& value : axis.points) {
        Layer both;
        both.reserve(point.size() + value.size());
        both.insert(both.end(), point.begin(), point.end());
        both.insert(both.end(), value.begin(), value.end());
        longer.push_back(std::move(both));
      }
    }
    points = std::move(longer);
  }
  return points;
}

class StudyRows {
 public:
  StudyRows(const SweepFile& file, const Study& study, const Layer& set, Diagnostics& diagnostics)
      : study_(study), set_(set), diagnostics_(diagnostics) {
    start_.apply(file.resources);
    start_.apply(file.base);
    start_.apply(study.base);
  }

  std::vector<Cell> make() {
    for (const NamedRow& run : study_.runs) add(run.layer, run.name, run.place);
    std::vector<Layer> points = grid();
    const std::vector<Layer> zipped = zip();
    points.insert(points.end(), zipped.begin(), zipped.end());
    points = exclude(std::move(points));
    cells_.reserve(study_.runs.size() + points.size() + study_.include.size());
    for (Layer& point : points) {
      const Place place = point.empty() ? study_.place : point.front()->key;
      add(std::move(point), "", place);
    }
    for (const NamedRow& row : study_.include) add(row.layer, row.name, row.place);
    return std::move(cells_);
  }

 private:
  Row row_of(const Layer& own) const {
    Row row = start_;
    row.apply(own);
    row.apply(set_);
    return row;
  }

  // One cell, or one for each of the k best parents it starts from.
  void add(Layer own, const std::string& name, Place place) {
    Cell cell;
    cell.name = name;
    cell.place = place;
    cell.row = row_of(own);
    cell.own = std::move(own);
    const std::int64_t parents = parents_of(cell.row);
    for (std::int64_t rank = 0; parents > 1 && rank + 1 < parents; ++rank) {
      cells_.push_back(ranked(cell, rank));
    }
    cells_.push_back(parents > 1 ? ranked(cell, parents - 1) : std::move(cell));
  }

  static Cell ranked(const Cell& cell, std::int64_t rank) {
    Cell one = cell;
    one.parent_rank = rank;
    const Layer parent = {with_rank(*cell.row.find("model.path"), rank)};
    one.row.apply(parent);
    one.own.push_back(parent.front());
    return one;
  }

  bool too_many(std::int64_t points, Place place) {
    if (points <= kMostRuns) return false;
    diagnostics_.error(place, "too_many_runs", fmt::format("more than {} grid points", kMostRuns),
                       "take values or axes out, or split the study");
    return true;
  }

  std::vector<Layer> grid() {
    if (study_.grid.empty()) return {};
    if (too_many(grid_points(study_.grid), study_.grid.front().place)) return {};
    std::vector<Layer> points = cross(study_.grid);
    for (const WhenEntry& when : study_.when) points = multiply(std::move(points), when);
    return points;
  }

  std::vector<Layer> multiply(std::vector<Layer> points, const WhenEntry& when) {
    const std::int64_t factor = grid_points(when.grid);
    const std::vector<Layer> extra = factor > kMostRuns ? std::vector<Layer>() : cross(when.grid);
    std::vector<Layer> result;
    bool held = false;
    for (Layer& point : points) {
      const Row row = row_of(point);
      const auto lookup = [&](const std::string& field) { return row.value(field); };
      if (!config::holds(when.condition, lookup)) {
        result.push_back(std::move(point));
        continue;
      }
      held = true;
      if (too_many(static_cast<std::int64_t>(result.size()) + factor, when.place)) return {};
      for (const Layer& more : extra) {
        Layer both = point;
        both.insert(both.end(), more.begin(), more.end());
        result.push_back(std::move(both));
      }
    }
    if (!held) report_never(when);
    return result;
  }

  void report_never(const WhenEntry& when) {
    const bool overridden =
        std::any_of(set_.begin(), set_.end(), [&](const SharedSetting& setting) {
          return std::any_of(when.condition.begin(), when.condition.end(), [&](const auto& clause) {
            const auto names = config::spread(clause.field);
            return std::find(names.begin(), names.end(), setting->field) != names.end();
          });
        });
    if (overridden) return;
    diagnostics_.error(
        when.place, "when_never_holds", "no grid point satisfies this condition",
        "compare " + when.condition.front().field + " with a value of the grid or of base");
  }

  std::vector<Layer> zip() {
    std::vector<Layer> points;
    if (study_.zip.empty()) return points;
    std::size_t length = study_.zip.front().points.size();
    for (const Axis& axis : study_.zip) length = std::min(length, axis.points.size());
    for (std::size_t i = 0; i < length; ++i) {
      Layer point;
      for (const Axis& axis : study_.zip) {
        point.insert(point.end(), axis.points[i].begin(), axis.points[i].end());
      }
      points.push_back(std::move(point));
    }
    return points;
  }

  static bool matches(const Row& row, const ExcludeRow& exclude) {
    return std::all_of(exclude.pairs.begin(), exclude.pairs.end(), [&](const SharedSetting& pair) {
      const Setting* given = row.find(pair->field);
      return given != nullptr && given->value.json() == pair->value.json();
    });
  }

  std::vector<Layer> exclude(std::vector<Layer> points) {
    if (study_.exclude.empty()) return points;
    std::vector<bool> used(study_.exclude.size(), false);
    std::vector<Layer> kept;
    for (Layer& point : points) {
      const Row row = row_of(point);
      bool dropped = false;
      for (std::size_t i = 0; i < used.size(); ++i) {
        if (!matches(row, study_.exclude[i])) continue;
        used[i] = true;
        dropped = true;
      }
      if (!dropped) kept.push_back(std::move(point));
    }
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (used[i]) continue;
      diagnostics_.warning(study_.exclude[i].place, "exclude_matches_nothing",
                           "this exclude row matches no run", "mend its values, or leave it out");
    }
    return kept;
  }

  const Study& study_;
  const Layer& set_;
  Diagnostics& diagnostics_;
  Row start_;
  std::vector<Cell> cells_;
};

}  // namespace

std::vector<Cell> make_cells(const SweepFile& file, const Layer& set, Diagnostics& diagnostics) {
  std::vector<Cell> cells;
  std::int64_t runs = 0;
  for (std::size_t i = 0; i < file.studies.size(); ++i) {
    const Study& study = file.studies[i];
    std::vector<Cell> found = StudyRows(file, study, set, diagnostics).make();
    // Seeds that are inherited are counted once they are known.
    std::vector<std::int64_t> seeds = study.seeds ? *study.seeds : file.seeds;
    if (study.inherits_seeds) seeds = {0};
    runs += static_cast<std::int64_t>(found.size() * seeds.size());
    if (runs > kMostRuns) {
      diagnostics.error(study.place, "too_many_runs",
                        fmt::format("{} runs up to here; a sweep may have {}", runs, kMostRuns),
                        "take values, axes or seeds out, or split the sweep");
      return {};
    }
    for (Cell& cell : found) {
      cell.study = i;
      cell.seeds = seeds;
      cell.inherits_seeds = study.inherits_seeds;
      cells.push_back(std::move(cell));
    }
  }
  return cells;
}

}  // namespace sarsweep::sweep
