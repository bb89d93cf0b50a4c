#pragma once

#include <vector>

#include "coordinator/sweep/cell.h"
#include "coordinator/sweep/sweep_file.h"

namespace sarsweep::sweep {

inline constexpr std::int64_t kMostRuns = 10'000;

// The cells in the order of the plan: studies in file order; in a study named runs, grid (first
// axis slowest), zip, include. `set` is applied on top. Too many runs are refused before they are
// made.
std::vector<Cell> make_cells(const SweepFile& file, const Layer& set, Diagnostics& diagnostics);

}  // namespace sarsweep::sweep
