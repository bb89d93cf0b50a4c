#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {

enum class PlanAction { fresh, kept, cached, alias, withdrawn };
std::string_view to_string(PlanAction action);  // new | kept | cached | alias | withdrawn

// One row of a file against what the store has. Indices count the file's runs.
struct DiffRow {
  PlanAction action = PlanAction::fresh;
  std::string run_hash;                     // with the parent's
  std::optional<RunRow> existing;           // the run of that name
  std::optional<std::size_t> alias_index;   // of the row it equals
  std::optional<std::size_t> parent_index;  // a parent in the same file
  std::optional<RunRow> parent_run;         // a parent in another sweep, or one that was chosen
  std::optional<RunRow> source;             // cached: whose results it takes
};

struct SweepDiff {
  std::vector<DiffRow> rows;         // as expanded.runs
  std::vector<RunRow> withdrawn;     // runs that left the file
  std::vector<RunRow> lost_aliases;  // aliases that left the file
  std::vector<Diagnostic> problems;  // a changed run that has started, an unknown parent
};

// Compares an expansion without errors with the store. Changes nothing.
SweepDiff compare(Connection& connection, const ExpandedSweep& expanded, const SweepSource& source);

}  // namespace sarsweep::coordinator
