#include "coordinator/sweep/sweep_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "coordinator/sweep/known_metrics.h"
#include "coordinator/sweep/names.h"
#include "schema/config/field_value.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

const std::vector<std::string_view> kTopKeys = {
    "version", "sweep",   "description", "objective", "report",   "seeds",    "resources",
    "base",    "studies", "runs",        "grid",      "zip",      "when",     "exclude",
    "include", "name",    "parent",      "limits",    "baseline", "protocols"};
const std::vector<std::string_view> kStudyKeys = {"runs",    "grid", "zip",    "when",    "exclude",
                                                  "include", "name", "parent", "baseline"};
constexpr std::array<std::string_view, 2> kLaterKeys = {"sources", "notify"};
const std::vector<std::string_view> kLimitKeys = {"max_runs", "gpu_hours", "max_failures",
                                                  "on_failure"};

class SweepFileReader {
 public:
  SweepFileReader(const YamlNode& root, LayerReader& layers)
      : root_(root), layers_(layers), diagnostics_(layers.diagnostics()) {}

  SweepFile read() {
    for (const YamlEntry& entry : root_.entries) {
      if (std::find(kTopKeys.begin(), kTopKeys.end(), entry.key) == kTopKeys.end()) {
        report_key(entry, kTopKeys, "a sweep file", diagnostics_);
      }
    }
    read_version();
    read_name();
    if (const auto* entry = find_entry(root_, "description")) {
      file_.description = text(entry->value, "description").value_or("");
    }
    if (const auto* entry = find_entry(root_, "objective")) read_objective(entry->value);
    read_report();
    if (const auto* entry = find_entry(root_, "seeds")) {
      file_.seeds = read_seeds(entry->value, diagnostics_).value_or(file_.seeds);
    }
    if (const auto* entry = find_entry(root_, "limits")) read_limits(entry->value);
    if (const auto* entry = find_entry(root_, "protocols")) {
      file_.protocols = read_file_protocols(*entry, layers_);
    }
    if (const auto* entry = find_entry(root_, "resources")) {
      file_.resources = layers_.read(entry->value, "resources");
    }
    if (const auto* entry = find_entry(root_, "base")) file_.base = layers_.read(entry->value);
    read_studies();
    return std::move(file_);
  }

 private:
  void missing(const char* key, const std::string& cure) {
    diagnostics_.error({1, 1, 1}, "missing", fmt::format("the key '{}' is missing", key), cure);
  }

  std::optional<std::string> text(const YamlNode& node, const std::string& what) {
    if (node.is_text()) return node.scalar.get<std::string>();
    diagnostics_.error(
        node.place, "wrong_type",
        fmt::format("{} must be a text (got {})", what, config::describe(to_json(node))),
        "put it in quotes");
    return std::nullopt;
  }

  void read_version() {
    const YamlEntry* entry = find_entry(root_, "version");
    if (entry == nullptr) return missing("version", "begin the file with version: 1");
    if (entry->value.kind == YamlNode::Kind::scalar && entry->value.scalar == 1) return;
    diagnostics_.error(entry->value.place, "bad_version",
                       "version must be 1 (got " + config::describe(to_json(entry->value)) + ")",
                       "write version: 1");
  }

  void read_name() {
    const YamlEntry* entry = find_entry(root_, "sweep");
    if (entry == nullptr) return missing("sweep", "name the sweep, such as sweep: sar-sdxl");
    file_.name = text(entry->value, "sweep").value_or("");
    if (file_.name.empty() || is_name(file_.name)) return;
    diagnostics_.error(entry->value.place, "bad_name",
                       "the sweep name '" + file_.name + "' may hold a-z, 0-9 and -, at most 63",
                       "write a name such as sar-sdxl");
  }

  void read_objective(const YamlNode& node) {
    if (!node.is_map()) {
      diagnostics_.error(node.place, "wrong_type", "objective must be a map",
                         "write objective: {metric: eval/kl_pooled, goal: minimize}");
      return;
    }
    for (const YamlEntry& entry : node.entries) {
      if (entry.key == "metric") {
        file_.metric = text(entry.value, "objective.metric").value_or(file_.metric);
        check_objective(entry.value.place);
      } else if (entry.key == "goal") {
        read_goal(entry.value);
      } else {
        report_key(entry, {"metric", "goal"}, "objective", diagnostics_);
      }
    }
  }

  void read_limits(const YamlNode& node) {
    if (!node.is_map()) {
      diagnostics_.error(node.place, "wrong_type", "limits must be a map",
                         "write limits: {max_runs: 120}");
      return;
    }
    for (const YamlEntry& entry : node.entries) read_limit(entry);
  }

  void read_limit(const YamlEntry& entry) {
    Limits& limits = file_.limits;
    if (entry.key == "max_runs") {
      limits.max_runs = count(entry, "120");
      limits.max_runs_place = entry.value.place;
    } else if (entry.key == "max_failures") {
      limits.max_failures = count(entry, "3");
    } else if (entry.key == "gpu_hours") {
      limits.gpu_hours = hours(entry);
    } else if (entry.key == "on_failure") {
      read_on_failure(entry.value);
    } else {
      report_key(entry, kLimitKeys, "limits", diagnostics_);
    }
  }

  std::optional<std::int64_t> count(const YamlEntry& entry, const std::string& example) {
    const YamlNode& value = entry.value;
    const bool whole = value.kind == YamlNode::Kind::scalar && value.scalar.is_number_integer();
    if (whole && value.scalar.get<std::int64_t>() >= 1) return value.scalar.get<std::int64_t>();
    refuse_limit(entry, "a whole number from 1", example);
    return std::nullopt;
  }

  std::optional<double> hours(const YamlEntry& entry) {
    const YamlNode& value = entry.value;
    const bool number = value.kind == YamlNode::Kind::scalar && value.scalar.is_number();
    if (number && value.scalar.get<double>() > 0) return value.scalar.get<double>();
    refuse_limit(entry, "a number above 0", "900");
    return std::nullopt;
  }

  void read_on_failure(const YamlNode& node) {
    const std::string choice = node.is_text() ? node.scalar.get<std::string>() : "";
    if (choice == "continue" || choice == "hold") {
      file_.limits.hold_on_failure = choice == "hold";
      return;
    }
    diagnostics_.error(node.place, "bad_value",
                       "limits.on_failure must be one of continue, hold (got " +
                           config::describe(to_json(node)) + ")",
                       "write on_failure: hold");
  }

  void refuse_limit(const YamlEntry& entry, const std::string& wanted, const std::string& example) {
    diagnostics_.error(entry.value.place, "bad_value",
                       "limits." + entry.key + " must be " + wanted + " (got " +
                           config::describe(to_json(entry.value)) + ")",
                       "write limits: {" + entry.key + ": " + example + "}");
  }

  void read_goal(const YamlNode& node) {
    const std::string goal = config::display(to_json(node));
    if (goal == "minimize" || goal == "maximize") {
      file_.goal = goal;
      return;
    }
    const bool upwards = goal.substr(0, 3) == "max";
    diagnostics_.error(node.place, "bad_value",
                       "objective.goal must be one of minimize, maximize (got '" + goal + "')",
                       upwards ? "did you mean 'maximize'?" : "did you mean 'minimize'?");
  }

  void check_objective(Place place) {
    const Produced known = produced(file_.metric);
    if (known == Produced::judged) file_.judged.push_back({file_.metric, place, true});
    if (known != Produced::never) return;
    const std::string nearest = nearest_metric(file_.metric);
    diagnostics_.error(
        place, "objective_never_produced",
        "no run of this version produces the objective '" + file_.metric + "'",
        nearest.empty() ? "for example eval/kl_pooled" : "did you mean '" + nearest + "'?");
  }

  void read_report() {
    const YamlEntry* entry = find_entry(root_, "report");
    if (entry == nullptr) {
      file_.report = {file_.metric};
      for (const char* usual : {"val/loss", "train/gpu_hours"}) {
        if (file_.metric != usual) file_.report.emplace_back(usual);
      }
      return;
    }
    if (!entry->value.is_list()) {
      diagnostics_.error(entry->value.place, "wrong_type", "report must be a list of metrics",
                         "write report: [eval/kl_pooled, val/loss]");
      return;
    }
    for (const YamlNode& item : entry->value.items) {
      const auto metric = text(item, "a metric of report");
      if (!metric) continue;
      file_.report.push_back(*metric);
      const Produced known = produced(*metric);
      if (known == Produced::judged) file_.judged.push_back({*metric, item.place, false});
      if (known != Produced::never) continue;
      const std::string nearest = nearest_metric(*metric);
      diagnostics_.warning(
          item.place, "empty_metric",
          "the column '" + *metric + "' will be empty: no run of this version produces it",
          nearest.empty() || nearest == *metric ? "leave it out"
                                                : "did you mean '" + nearest + "'?");
    }
  }

  void read_studies() {
    const YamlEntry* entry = find_entry(root_, "studies");
    if (entry == nullptr) {
      file_.studies.push_back(read_unnamed());
      return;
    }
    for (const YamlEntry& other : root_.entries) {
      if (std::find(kStudyKeys.begin(), kStudyKeys.end(), other.key) == kStudyKeys.end()) continue;
      diagnostics_.error(other.place, "misplaced", "'" + other.key + "' beside studies",
                         "move it into a study");
    }
    if (!entry->value.is_map() || entry->value.entries.empty()) {
      diagnostics_.error(entry->value.place, "wrong_type", "studies must be a map of named studies",
                         "write studies: {first: {runs: …}}");
      return;
    }
    for (const YamlEntry& named : entry->value.entries) read_named(named);
  }

  Study read_unnamed() {
    YamlNode part;
    part.kind = YamlNode::Kind::map;
    part.place = root_.place;
    for (const YamlEntry& entry : root_.entries) {
      const bool of_study =
          std::find(kStudyKeys.begin(), kStudyKeys.end(), entry.key) != kStudyKeys.end();
      if (of_study) part.entries.push_back(entry);
    }
    return read_study(part, layers_);
  }

  void read_named(const YamlEntry& named) {
    if (!is_name(named.key, true)) {
      diagnostics_.error(named.place, "bad_name",
                         "the study name '" + named.key + "' may hold a-z, 0-9, - and _",
                         "write a name such as te_rank");
    }
    if (!named.value.is_map()) {
      diagnostics_.error(named.value.place, "wrong_type",
                         "the study '" + named.key + "' must be a map (got " +
                             config::describe(to_json(named.value)) + ")",
                         "give it runs: or grid:");
      return;
    }
    Study study = read_study(named.value, layers_);
    study.name = named.key;
    study.place = named.place;
    file_.studies.push_back(std::move(study));
  }

  const YamlNode& root_;
  LayerReader& layers_;
  Diagnostics& diagnostics_;
  SweepFile file_;
};

}  // namespace

SweepFile read_sweep_file(const YamlNode& root, LayerReader& layers) {
  if (!root.is_map()) {
    layers.diagnostics().error(
        {1, 1, 1}, "wrong_type",
        "a sweep file is a map (this is " + config::describe(to_json(root)) + ")",
        "begin the file with version: 1");
    return {};
  }
  return SweepFileReader(root, layers).read();
}

std::optional<std::vector<std::int64_t>> read_seeds(const YamlNode& node,
                                                    Diagnostics& diagnostics) {
  constexpr const char* kCure = "write seeds: [0, 1, 2]";
  constexpr std::int64_t kLargest = std::int64_t{1} << 53;
  if (node.is_text() && node.scalar == "inherit") {
    diagnostics.error(node.place, "bad_value", "seeds: inherit belongs to a study with a parent",
                      kCure);
    return std::nullopt;
  }
  if (!node.is_list() || node.items.empty()) {
    diagnostics.error(node.place, "wrong_type", "seeds must be a list of whole numbers", kCure);
    return std::nullopt;
  }
  std::vector<std::int64_t> seeds;
  for (const YamlNode& item : node.items) {
    const bool whole = item.kind == YamlNode::Kind::scalar && item.scalar.is_number_integer();
    const std::int64_t seed = whole ? item.scalar.get<std::int64_t>() : -1;
    if (seed < 0 || seed > kLargest) {
      diagnostics.error(item.place, "bad_value",
                        "a seed must be a whole number from 0 to 2^53 (got " +
                            config::describe(to_json(item)) + ")",
                        kCure);
      return std::nullopt;
    }
    if (std::find(seeds.begin(), seeds.end(), seed) != seeds.end()) {
      diagnostics.error(item.place, "duplicate_seed",
                        fmt::format("the seed {} is given twice", seed), "keep one of the two");
      return std::nullopt;
    }
    seeds.push_back(seed);
  }
  return seeds;
}

bool is_name(const std::string& name, bool underscore) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return plain(c) || c == '-' || (underscore && c == '_'); });
}

void report_key(const YamlEntry& entry, const std::vector<std::string_view>& legal,
                const std::string& where, Diagnostics& diagnostics) {
  if (std::find(kLaterKeys.begin(), kLaterKeys.end(), entry.key) != kLaterKeys.end()) {
    diagnostics.error(entry.place, "not_supported",
                      "this version does not support '" + entry.key + "'", "leave it out");
    return;
  }
  const std::string nearest = nearest_name(entry.key, {legal.begin(), legal.end()});
  std::string proposal = nearest.empty() ? fmt::format("legal here: {}", fmt::join(legal, ", "))
                                         : fmt::format("did you mean '{}'?", nearest);
  if (LayerReader::is_field(entry.key) || LayerReader::is_group(entry.key))
    proposal = "move it under base";
  diagnostics.error(entry.place, "unknown_key", "unknown key '" + entry.key + "' in " + where,
                    proposal);
}

}  // namespace sarsweep::sweep
