#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/sweep/cell.h"

namespace sarsweep::sweep {

// Fills in `axes` and `label` of every cell: the fields that its study varies, in the order in
// which the file first sets them. Both text encoders count as text_encoders where they agree
// everywhere.
void label_cells(std::vector<Cell>& cells);

// What a label says of one field: "r64", "lr5e-5", "dropout=0.1".
std::string label_word(const std::string& field, const nlohmann::json& value);

}  // namespace sarsweep::sweep
