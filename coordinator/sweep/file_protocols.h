#pragma once

#include <string>
#include <vector>

#include "coordinator/sweep/layer_reader.h"

namespace sarsweep::sweep {

// One block of `protocols:`: a shipped protocol with other values, under a name of its own. A run
// stores the shipped name and the values, so that it is judged alike wherever they are written.
struct FileProtocol {
  std::string name;
  std::string like;  // the shipped one
  Layer values;      // eval.* fields
};

std::vector<FileProtocol> read_file_protocols(const YamlEntry& entry, LayerReader& layers);

// Gives `row` what its eval.protocol stands for, where that is one of `protocols`; eval.* fields
// that the row was given win.
void apply_file_protocol(Row& row, const std::vector<FileProtocol>& protocols);

}  // namespace sarsweep::sweep
