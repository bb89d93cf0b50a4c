#pragma once

#include <string>
#include <vector>

#include "coordinator/sweep/cell.h"
#include "coordinator/sweep/diagnostics.h"
#include "coordinator/sweep/sweep_file.h"

namespace sarsweep::sweep {

// SHA-256 of canonical JSON {science without the seed}; a parent in the same sweep counts by its
// own hash, one in another sweep by its name, one that is yet to be chosen by how it is chosen.
std::string science_hash(const config::RunValues& config, const Cell* parent,
                         const CellParent* reference);
// SHA-256 of canonical JSON {"cell": cell_hash, "seed": seed}.
std::string run_hash(const std::string& cell_hash, std::int64_t seed);

// Names every cell, finds every parent and fills in the hashes; reports names given twice, unknown
// parents and cycles; then settles the ancestry (ancestry.h).
void connect(std::vector<Cell>& cells, const SweepFile& file, Diagnostics& diagnostics);

}  // namespace sarsweep::sweep
