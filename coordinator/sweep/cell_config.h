#pragma once

#include <string>
#include <vector>

#include "coordinator/sweep/cell.h"
#include "coordinator/sweep/diagnostics.h"

namespace sarsweep::sweep {

// Fills in config and parent of a cell and reports what cannot be run. `sweep` is its sweep's name.
void complete(Cell& cell, const std::string& sweep, Diagnostics& diagnostics);

// Warns where runs of one study differ in alpha/rank, which scales the learning rate behind their
// back.
void check_ratios(const std::vector<Cell>& cells, Diagnostics& diagnostics);

}  // namespace sarsweep::sweep
