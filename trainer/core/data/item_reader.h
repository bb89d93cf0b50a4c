#pragma once

#include <string>
#include <vector>

#include "trainer/core/data/dataset.h"

namespace sarsweep::trainer {

// The pictures of a split with what is written about them; nothing of the files is read. Throws
// Error(invalid) with file and line.
std::vector<DataItem> described_items(const DataOptions& options, const std::string& split);

// The same with sizes and digests: every file is read once and its header checked against the
// options. Throws what is wrong with the files, several together.
std::vector<DataItem> checked_items(const DataOptions& options, const std::string& split);

// Under crop tile an item for each tile, else each with its centre as view.
std::vector<DataItem> with_views(const std::vector<DataItem>& pictures, const DataOptions& options);

// No group may lie in two splits. Throws Error(invalid, field data.group_column).
void require_separate_groups(const DataOptions& options);

// Linear amplitude of the whole picture after data.resize.
AmplitudeImage read_picture(const DataItem& item, const DataOptions& options);

}  // namespace sarsweep::trainer
