#include <fmt/format.h>

#include <algorithm>

#include "coordinator/sweep/sweep_file.h"
#include "schema/base/error.h"
#include "schema/config/field_value.h"

namespace sarsweep::sweep {
namespace {

const std::vector<std::string_view> kStudyKeys = {"base",  "runs",   "grid",    "zip",
                                                  "when",  "name",   "exclude", "include",
                                                  "seeds", "parent", "baseline"};

class StudyReader {
 public:
  StudyReader(const YamlNode& map, LayerReader& layers)
      : map_(map), layers_(layers), diagnostics_(layers.diagnostics()) {}

  Study read() {
    study_.place = map_.place;
    for (const YamlEntry& entry : map_.entries) read_entry(entry);
    if (const auto* parent = find_entry(map_, "parent"))
      append_parent(study_.base, layers_.parent(*parent), *parent);
    if (study_.runs.empty() && study_.grid.empty() && study_.zip.empty() &&
        study_.include.empty() && !complained_) {
      diagnostics_.error(study_.place, "empty_study", "there are no runs here",
                         "add runs:, grid:, zip: or include:");
    }
    return std::move(study_);
  }

 private:
  void read_entry(const YamlEntry& entry) {
    const std::string& key = entry.key;
    if (key == "base") {
      study_.base = layers_.read(entry.value);
    } else if (key == "runs") {
      read_runs(entry);
    } else if (key == "grid") {
      study_.grid = read_axes(entry, "grid");
    } else if (key == "zip") {
      study_.zip = read_axes(entry, "zip");
      check_lengths();
    } else if (key == "when") {
      read_when(entry);
    } else if (key == "exclude") {
      read_exclude(entry);
    } else if (key == "include") {
      read_include(entry);
    } else if (key == "seeds") {
      study_.seeds_place = entry.value.place;
      study_.inherits_seeds = entry.value.is_text() && entry.value.scalar == "inherit";
      if (!study_.inherits_seeds) study_.seeds = read_seeds(entry.value, diagnostics_);
    } else if (key == "name") {
      read_template(entry);
    } else if (key == "baseline") {
      read_baseline(entry);
    } else if (key != "parent") {
      report_key(entry, kStudyKeys, "a study", diagnostics_);
    }
  }

  void complain(Place place, const char* code, const std::string& message,
                const std::string& cure) {
    diagnostics_.error(place, code, message, cure);
    complained_ = true;
  }

  // `parent` replaces an inherited model.path; beside one in the same map it contradicts it.
  void append_parent(Layer& layer, const Layer& parent, const YamlEntry& entry) {
    const bool both = std::any_of(layer.begin(), layer.end(), [](const SharedSetting& setting) {
      return setting->field == "model.path" && !setting->value.is_null();
    });
    if (both) {
      diagnostics_.error(entry.place, "illegal_combination",
                         "parent and model.path are both given here", "keep one of the two");
      return;
    }
    layer.insert(layer.end(), parent.begin(), parent.end());
  }

  Layer read_row(const YamlNode& map, const std::vector<std::string_view>& skip) {
    Layer layer = layers_.read(map, "", skip);
    if (!map.is_map()) return layer;
    if (const auto* parent = find_entry(map, "parent")) {
      append_parent(layer, layers_.parent(*parent), *parent);
    }
    return layer;
  }

  void check_run_name(const std::string& name, Place place) {
    if (is_name(name)) return;
    diagnostics_.error(place, "bad_name",
                       "the run name '" + name + "' may hold a-z, 0-9 and -, at most 63",
                       "write a name such as heart-rose-2");
  }

  void read_runs(const YamlEntry& entry) {
    if (!entry.value.is_map() || entry.value.entries.empty()) {
      complain(entry.place, "wrong_type", "runs must be a map of named runs",
               "write runs: {heart-rose-2: {unet.mode: lora}}");
      return;
    }
    for (const YamlEntry& run : entry.value.entries) {
      check_run_name(run.key, run.place);
      study_.runs.push_back({run.key, run.place, read_row(run.value, {"parent"})});
    }
  }

  std::vector<Axis> read_axes(const YamlEntry& entry, const char* what) {
    std::vector<Axis> axes;
    const bool usable = entry.value.is_map() && !entry.value.entries.empty();
    if (!usable) {
      complain(entry.place, "empty_grid", fmt::format("{} must be a map of fields to lists", what),
               fmt::format("write {}: {{unet.rank: [4, 16]}}", what));
      return axes;
    }
    read_axes_into(entry.value, "", axes);
    if (axes.size() > kMostAxes) {
      complain(entry.place, "too_many_axes",
               fmt::format("{} axes; at most {} are allowed", axes.size(), kMostAxes),
               "split it into several studies");
    }
    if (axes.empty()) complained_ = true;
    return axes;
  }

  void read_axes_into(const YamlNode& map, const std::string& prefix, std::vector<Axis>& axes) {
    for (const YamlEntry& entry : map.entries) {
      const std::string dotted = prefix.empty() ? entry.key : prefix + "." + entry.key;
      if (LayerReader::is_field(dotted)) {
        read_axis(dotted, entry, axes);
      } else if (LayerReader::is_group(dotted) && entry.value.is_map()) {
        read_axes_into(entry.value, dotted, axes);
      } else {
        layers_.report_unknown(dotted, entry.key, entry.place);
      }
    }
  }

  // An axis is a list, {values: list} or a single value.
  void read_axis(const std::string& dotted, const YamlEntry& entry, std::vector<Axis>& axes) {
    const bool wrapped = entry.value.is_map() && entry.value.entries.size() == 1 &&
                         entry.value.entries[0].key == "values";
    const YamlNode& values = wrapped ? entry.value.entries[0].value : entry.value;
    if (std::any_of(axes.begin(), axes.end(),
                    [&](const Axis& axis) { return overlap(axis.name, dotted); })) {
      complain(entry.place, "duplicate_field", dotted + " is an axis twice", "keep one of the two");
      return;
    }
    Axis axis{dotted, entry.place, {}};
    if (!values.is_list()) {
      add_point(axis, entry, values);
    } else if (values.items.empty()) {
      complain(values.place, "empty_grid", "the axis " + dotted + " has no values",
               "give it values, such as [4, 16], or leave it out");
    }
    for (const YamlNode& value : values.items) add_point(axis, entry, value);
    axes.push_back(std::move(axis));
  }

  static bool overlap(const std::string& a, const std::string& b) {
    const auto first = config::spread(a);
    const auto second = config::spread(b);
    return std::find_first_of(first.begin(), first.end(), second.begin(), second.end()) !=
           first.end();
  }

  void add_point(Axis& axis, const YamlEntry& entry, const YamlNode& value) {
    Layer point = layers_.settings(axis.name, entry.place, value);
    if (point.empty()) {
      complained_ = true;
      return;
    }
    axis.points.push_back(std::move(point));
  }

  void check_lengths() {
    for (const Axis& axis : study_.zip) {
      if (axis.points.size() == study_.zip.front().points.size() || complained_) continue;
      complain(axis.place, "zip_length",
               fmt::format("zip needs equal lengths: {} has {} values, {} has {}", axis.name,
                           axis.points.size(), study_.zip.front().name,
                           study_.zip.front().points.size()),
               axis.points.size() < study_.zip.front().points.size()
                   ? "add values, or use grid"
                   : "remove values, or use grid");
    }
  }

  const std::vector<YamlNode>& maps_of(const YamlEntry& entry, const char* cure) {
    static const std::vector<YamlNode> none;
    const bool maps =
        entry.value.is_list() && std::all_of(entry.value.items.begin(), entry.value.items.end(),
                                             [](const YamlNode& item) { return item.is_map(); });
    if (maps) return entry.value.items;
    complain(entry.value.place, "wrong_type", entry.key + " must be a list of maps", cure);
    return none;
  }

  void read_when(const YamlEntry& entry) {
    constexpr const char* kCure =
        "write when: [{if: unet.mode == lora, grid: {unet.rank: [4, 16]}}]";
    for (const YamlNode& item : maps_of(entry, kCure)) {
      const YamlEntry* condition = find_entry(item, "if");
      const YamlEntry* grid = find_entry(item, "grid");
      for (const YamlEntry& other : item.entries) {
        if (&other != condition && &other != grid)
          report_key(other, {"if", "grid"}, "when", diagnostics_);
      }
      if (condition == nullptr || grid == nullptr || !condition->value.is_text()) {
        complain(item.place, "wrong_type", "a when entry needs if: (a text) and grid:", kCure);
        continue;
      }
      WhenEntry when;
      when.place = condition->value.place;
      when.grid = read_axes(*grid, "grid");
      if (read_condition(condition->value, when)) study_.when.push_back(std::move(when));
    }
  }

  bool read_condition(const YamlNode& node, WhenEntry& when) {
    try {
      when.condition = config::parse_condition(node.scalar.get<std::string>());
    } catch (const Error& error) {
      complain(node.place, "bad_condition", error.what(), "write if: unet.mode == lora");
      return false;
    }
    for (const config::Clause& clause : when.condition) {
      if (LayerReader::is_field(clause.field)) continue;
      layers_.report_unknown(clause.field, clause.field, node.place);
      complained_ = true;
      return false;
    }
    return true;
  }

  void read_exclude(const YamlEntry& entry) {
    for (const YamlNode& item : maps_of(entry, "write exclude: [{unet.rank: 16}]")) {
      ExcludeRow row{layers_.read(item), item.place};
      if (!row.pairs.empty()) study_.exclude.push_back(std::move(row));
    }
  }

  void read_include(const YamlEntry& entry) {
    for (const YamlNode& item :
         maps_of(entry, "write include: [{name: extra, unet.mode: frozen}]")) {
      NamedRow row{{}, item.place, read_row(item, {"name", "parent"})};
      if (const YamlEntry* name = find_entry(item, "name")) {
        row.name = config::display(to_json(name->value));
        row.place = name->value.place;
        check_run_name(row.name, row.place);
      }
      study_.include.push_back(std::move(row));
    }
  }

  void read_template(const YamlEntry& entry) {
    study_.template_place = entry.value.place;
    if (!entry.value.is_text() || entry.value.scalar.get<std::string>().empty()) {
      complain(entry.value.place, "wrong_type", "name must be a text with fields in braces",
               "write name: \"{unet.mode}-te{text_encoders.rank}\"");
      return;
    }
    study_.name_template = entry.value.scalar.get<std::string>();
  }

  void read_baseline(const YamlEntry& entry) {
    study_.baseline_place = entry.value.place;
    if (entry.value.is_text()) {
      study_.baseline = entry.value.scalar.get<std::string>();
      return;
    }
    complain(entry.value.place, "wrong_type",
             "baseline must be the name of a run of this study (got " +
                 config::describe(to_json(entry.value)) + ")",
             "write baseline: NAME, or leave it out: it is the study's first run then");
  }

  const YamlNode& map_;
  LayerReader& layers_;
  Diagnostics& diagnostics_;
  Study study_;
  bool complained_ = false;
};

}  // namespace

Study read_study(const YamlNode& map, LayerReader& layers) {
  return StudyReader(map, layers).read();
}

}  // namespace sarsweep::sweep
