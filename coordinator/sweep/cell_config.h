#pragma once

#include <string>
#include <vector>

#include "coordinator/sweep/cell.h"
#include "coordinator/sweep/diagnostics.h"
#include "coordinator/sweep/sweep_file.h"

namespace sarsweep::sweep {

// Fills in config and parent of a cell of `file` and reports what cannot be run.
void complete(Cell& cell, const SweepFile& file, Diagnostics& diagnostics);

// Warns where runs of one study differ in alpha/rank, which scales the learning rate behind their
// back.
void check_ratios(const std::vector<Cell>& cells, Diagnostics& diagnostics);
// Complains of metrics of a CLIP judge where no cell names one or trains one.
void check_judge(const std::vector<Cell>& cells, const SweepFile& file, Diagnostics& diagnostics);

}  // namespace sarsweep::sweep
