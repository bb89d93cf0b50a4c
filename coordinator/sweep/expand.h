#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/sweep/best_ref.h"
#include "schema/config/run_values.h"
#include "schema/protocol/messages.h"

// YAML text to runs. Pure: no files, no clock, no database. Deterministic to the byte.
namespace sarsweep::coordinator {

// A run's parent: `model.path: {run: [SWEEP/]NAME}`, `parent: NAME` or `parent: {best: STUDY}`.
struct ParentRef {
  std::string sweep;       // the sweep the name belongs to
  std::string cell;        // cell name in it
  std::int64_t seed = 0;   // equal seeds pair; a cell with one seed serves every child
  bool any_seed = false;   // the parent lies in another sweep: take its only seed, or the equal one
  std::string checkpoint;  // "last" | "best"
  std::optional<sweep::BestRef> best = {};  // in this sweep; `cell` is empty then
};

struct PlannedRun {
  std::string name;  // cell, plus -sN where the cell has several seeds
  std::string cell;
  std::string label;  // the swept axes only: "full te8 b64"
  std::string study;  // "" for the unnamed one
  std::int64_t seed = 0;
  std::string cell_hash;  // SHA-256 of the science without the seed
  std::string run_hash;   // SHA-256 of cell_hash, seed (the resolved parent's run_hash joins later)
  std::string judge_hash;               // SHA-256 of the judge fields
  std::optional<std::string> alias_of;  // name of the first equal row
  std::optional<ParentRef> parent;
  config::RunValues config;  // active, defaults filled in, paths as written
  // Objects, or null where there is nothing to say; runs that hold the same share it.
  config::Value origins;     // {"unet.lr": "file.yaml:12", "unet.rank": "--set"}; absent = default
  config::Value axes;        // the swept fields of the cell {dotted: value}
  config::Value path_bases;  // {"data.path": dir} where a relative path is to be resolved against
};

struct ExpandedSweep {
  std::string name;
  std::string description;
  std::string objective_metric = "eval/kl_pooled";
  std::string objective_goal = "minimize";
  std::vector<std::string> report;
  std::vector<std::string> studies;
  nlohmann::json baselines = nlohmann::json::object();  // {study: cell}, where the file names one
  std::optional<double> gpu_hours;           // limits that are watched while the sweep runs
  std::optional<std::int64_t> max_failures;  // on_failure: hold is 1
  std::vector<PlannedRun> runs;              // in the order of the plan; empty if there are errors
  std::vector<Diagnostic> diagnostics;
  std::vector<std::string> needs_files;  // prompt files not yet posted, as written
  std::int64_t cells = 0, distinct_cells = 0, trainings = 0;

  bool has_errors() const;
};

// Never throws for what the text holds: every problem (at most 20) is a diagnostic.
ExpandedSweep expand(const SweepSource& source);

// A protocol by name ("sar-v1", "mini-v1"), the shipped block with a config's eval.* overrides
// applied and its hash under "hash". Throws Error(not_found) for an unknown name.
nlohmann::json resolve_protocol(const nlohmann::json& flat_config);

}  // namespace sarsweep::coordinator
