#include "coordinator/sweep/cell_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "coordinator/sweep/best_parent.h"
#include "coordinator/sweep/names.h"
#include "coordinator/sweep/protocol.h"
#include "schema/config/condition.h"
#include "schema/config/fields.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

// Whether --set decides about `field`, or something that could not be read.
bool decided_elsewhere(const Cell& cell, const config::Field& field,
                       const Diagnostics& diagnostics) {
  const config::Condition& condition = config::activity(field);
  return std::any_of(condition.begin(), condition.end(), [&](const config::Clause& clause) {
    const Setting* given = cell.row.find(clause.field);
    return (given != nullptr && given->from_set) || diagnostics.is_misread(clause.field);
  });
}

bool same_place(Place a, Place b) { return a.line == b.line && a.col == b.col; }

// Inherited inactive keys are dropped in silence; one in the run's own line was meant to do
// something.
void check_inactive(const Cell& cell, const config::RunValues& active, Diagnostics& diagnostics) {
  for (const SharedSetting& shared : cell.own) {
    const Setting& setting = *shared;
    if (setting.value.is_null() || active.contains(setting.field)) continue;
    const config::Field& field = *config::find_field(setting.field);
    if (decided_elsewhere(cell, field, diagnostics)) continue;
    if (setting.field.starts_with("text_encoder_2") && &shared != cell.own.data() &&
        same_place(setting.key, (*std::prev(&shared))->key)) {
      continue;  // text_encoders.X: said once, for text_encoder_1
    }
    diagnostics.error(
        setting.key, "inactive_field",
        fmt::format("{} has no effect here: it needs {}", setting.field, field.active_when),
        "leave it out, or move it under when: [{if: …, grid: …}]");
  }
}

void report(const Cell& cell, const std::vector<config::Problem>& problems,
            Diagnostics& diagnostics) {
  for (const config::Problem& problem : problems) {
    const Setting* given = cell.row.find(problem.field);
    if (given != nullptr && given->from_set) {
      diagnostics.set_error(problem.field, problem.code, problem.message, problem.suggestion);
      continue;
    }
    diagnostics.error(given == nullptr ? cell.place : given->value_place, problem.code,
                      problem.message, problem.suggestion);
  }
}

void check_protocol(const Cell& cell, const config::RunValues& active,
                    const std::vector<FileProtocol>& of_file, Diagnostics& diagnostics) {
  const json& given_name = active["eval.protocol"];
  const std::string name = given_name.is_string() ? given_name.get<std::string>() : "";
  const std::vector<std::string>& shipped = protocol_names();
  if (std::find(shipped.begin(), shipped.end(), name) != shipped.end()) return;
  std::vector<std::string> known = shipped;
  for (const FileProtocol& protocol : of_file) known.push_back(protocol.name);
  const Setting* given = cell.row.find("eval.protocol");
  const std::string nearest = nearest_name(name, known);
  const std::string proposal =
      nearest.empty() ? "for example " + known.front() : "did you mean '" + nearest + "'?";
  const std::string message = "there is no protocol '" + name + "'";
  if (given != nullptr && given->from_set) {
    diagnostics.set_error("eval.protocol", "unknown_protocol", message, proposal);
    return;
  }
  diagnostics.error(given == nullptr ? cell.place : given->value_place, "unknown_protocol", message,
                    proposal);
}

// NAME, SWEEP/NAME, either with -sN behind it. The last is told from a name by who exists.
CellParent read_parent(const json& reference, const std::string& sweep, Place place) {
  const std::string run = reference.at("run");
  const std::size_t slash = run.find('/');
  CellParent parent;
  parent.sweep = slash == std::string::npos ? sweep : run.substr(0, slash);
  parent.cell = slash == std::string::npos ? run : run.substr(slash + 1);
  parent.outside = parent.sweep != sweep;
  parent.checkpoint = reference.at("checkpoint");
  parent.place = place;
  return parent;
}

// From here on model.path holds what decides about the parent, and nothing else.
CellParent read_best_parent(config::RunValues& active, const std::string& sweep, Place place) {
  const json& model = active["model.path"];
  CellParent parent;
  parent.sweep = sweep;
  parent.checkpoint = model.at("checkpoint");
  parent.best = best_ref(model, active["checkpoint.best_by"]);
  parent.place = place;
  json settled = {{"best", parent.best->study},
                  {"by", parent.best->by},
                  {"index", parent.best->index},
                  {"per_seed", parent.best->per_seed},
                  {"checkpoint", parent.checkpoint}};
  active.set("model.path", config::Value(std::move(settled)));
  return parent;
}

}  // namespace

void complete(Cell& cell, const SweepFile& file, Diagnostics& diagnostics) {
  apply_file_protocol(cell.row, file.protocols);
  config::RunValues full = config::with_defaults(cell.row.values());
  const std::vector<config::Problem> problems = config::combination_problems(full);
  config::RunValues active = config::active_only(std::move(full));
  check_inactive(cell, active, diagnostics);
  report(cell, problems, diagnostics);
  check_protocol(cell, active, file.protocols, diagnostics);
  if (!active.contains("data.path")) {
    diagnostics.warning(cell.place, "missing_data_path",
                        "data.path is not given; the run cannot start without it",
                        "give it under base, or by --set data.path=FOLDER");
  }
  const json& model = active["model.path"];
  if (model.is_object()) {
    const Place place = cell.row.find("model.path")->value_place;
    cell.parent = is_best(model) ? read_best_parent(active, file.name, place)
                                 : read_parent(model, file.name, place);
  }
  cell.config = std::move(active);
}

void check_judge(const std::vector<Cell>& cells, const SweepFile& file, Diagnostics& diagnostics) {
  const bool judged = std::any_of(cells.begin(), cells.end(), [](const Cell& cell) {
    return cell.config["job"] == "clip" || !cell.config["eval.clip"].is_null();
  });
  if (judged) return;
  const std::string cure = "give eval.clip a CLIP model";
  for (const JudgedMetric& metric : file.judged) {
    if (metric.objective) {
      diagnostics.error(
          metric.place, "objective_never_produced",
          fmt::format("no run names the CLIP judge that the objective '{}' is made by",
                      metric.name),
          cure);
    } else {
      diagnostics.warning(
          metric.place, "empty_metric",
          fmt::format("the column '{}' will be empty: no run names a CLIP judge", metric.name),
          cure + ", or leave it out");
    }
  }
}

void check_ratios(const std::vector<Cell>& cells, Diagnostics& diagnostics) {
  struct Part {
    std::string name;
    const config::Field *rank, *alpha;
  };
  std::vector<Part> parts;
  for (const std::string name : {"unet", "text_encoder_1", "text_encoder_2"}) {
    parts.push_back(
        {name, config::find_field(name + ".rank"), config::find_field(name + ".alpha")});
  }
  std::map<std::pair<std::size_t, std::string>, double> first;
  for (const Cell& cell : cells) {
    for (const Part& part : parts) {
      const json& rank = cell.config.at(*part.rank).json();
      if (rank.is_null()) continue;
      const double ratio = cell.config.at(*part.alpha).json().get<double>() / rank.get<double>();
      const auto [known, is_new] = first.try_emplace({cell.study, part.name}, ratio);
      if (is_new || known->second == ratio) continue;
      diagnostics.warning(cell.place, "ratio_differs",
                          fmt::format("{}.alpha/rank differs inside this study: {} and {}",
                                      part.name, known->second, ratio),
                          "leave alpha out: it is rank/2 then");
      return;
    }
  }
}

}  // namespace sarsweep::sweep
