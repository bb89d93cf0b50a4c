#pragma once

#include <vector>

#include "coordinator/sweep/cell.h"

namespace sarsweep::sweep {

// Fills in `axes` and `label` of every cell: the fields that its study varies, in the order in
// which the file first sets them. Both text encoders count as text_encoders where they agree
// everywhere.
void label_cells(std::vector<Cell>& cells);

}  // namespace sarsweep::sweep
