#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/sweep/file_protocols.h"
#include "coordinator/sweep/layer_reader.h"
#include "schema/config/condition.h"

// A sweep file as its author wrote it, checked key by key; nothing is expanded yet.
namespace sarsweep::sweep {

struct Axis {
  std::string name;  // as written: "text_encoders.rank"
  Place place;
  std::vector<Layer> points;  // one a value
};

struct NamedRow {
  std::string name;  // of an include row: may be empty
  Place place;
  Layer layer;
};

struct WhenEntry {
  config::Condition condition;
  Place place;
  std::vector<Axis> grid;
};

struct ExcludeRow {
  Layer pairs;
  Place place;
};

struct Study {
  std::string name;  // empty: the unnamed one
  Place place;
  Layer base;  // parent: included
  std::vector<NamedRow> runs;
  std::vector<Axis> grid, zip;
  std::vector<WhenEntry> when;
  std::vector<ExcludeRow> exclude;
  std::vector<NamedRow> include;
  std::optional<std::vector<std::int64_t>> seeds;
  bool inherits_seeds = false;  // seeds: inherit
  Place seeds_place;
  std::string name_template;
  Place template_place;
  std::string baseline;  // a cell of the study; empty: its first
  Place baseline_place;
};

struct Limits {
  std::optional<std::int64_t> max_runs;  // trainings, aliases counted once
  Place max_runs_place;
  // Reached while the sweep runs, they hold it.
  std::optional<double> gpu_hours;
  std::optional<std::int64_t> max_failures;
  bool hold_on_failure = false;
};

// A metric that only runs with a CLIP judge have.
struct JudgedMetric {
  std::string name;
  Place place;
  bool objective = false;  // else a column of the report
};

struct SweepFile {
  std::string name, description;
  std::string metric = "eval/kl_pooled", goal = "minimize";
  std::vector<std::string> report;
  std::vector<JudgedMetric> judged;  // of the two above
  std::vector<std::int64_t> seeds = {0};
  Limits limits;
  Layer resources, base;
  std::vector<FileProtocol> protocols;
  std::vector<Study> studies;
};

inline constexpr std::size_t kMostAxes = 64;

// Problems go to the reader's diagnostics; what could be read is returned.
SweepFile read_sweep_file(const YamlNode& root, LayerReader& layers);

// The parts of one study, without its name.
Study read_study(const YamlNode& map, LayerReader& layers);

// A list of distinct seeds, each at least 0; nullopt after an error.
std::optional<std::vector<std::int64_t>> read_seeds(const YamlNode& node, Diagnostics& diagnostics);

// True if `name` may name a sweep, a study or a run: [a-z0-9][a-z0-9-]{0,62}, studies also with _.
bool is_name(const std::string& name, bool underscore = false);

// Says that a key has no place here, or that this version does not support it.
void report_key(const YamlEntry& entry, const std::vector<std::string_view>& legal,
                const std::string& where, Diagnostics& diagnostics);

}  // namespace sarsweep::sweep
