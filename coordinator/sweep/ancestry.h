#pragma once

#include <vector>

#include "coordinator/sweep/cell.h"
#include "coordinator/sweep/diagnostics.h"
#include "coordinator/sweep/sweep_file.h"

namespace sarsweep::sweep {

// Goes through the cells from parents to children: fills in seeds that are inherited and reports
// studies that are unknown or too small to choose from, cycles through a study, and seeds a parent
// lacks. Cells must be hashed and named parents found; a cell without a hash is left alone.
void settle_ancestry(std::vector<Cell>& cells, const SweepFile& file, Diagnostics& diagnostics);

}  // namespace sarsweep::sweep
