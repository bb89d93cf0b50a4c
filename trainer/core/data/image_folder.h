#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/data/dataset.h"

namespace sarsweep::trainer {

// One line of metadata.jsonl.
struct MetadataRow {
  std::string where;      // "DIR/metadata.jsonl:12", for messages
  nlohmann::json values;  // an object
};

// Every line of `folder`/metadata.jsonl, parsed strictly; empty lines are skipped. Throws
// Error(invalid) with file and line.
std::vector<MetadataRow> read_metadata(const std::filesystem::path& folder);

// data.path/split; "val" finds "validation" and the other way round. Throws Error(invalid) that
// lists the splits there are.
std::filesystem::path split_folder(const std::filesystem::path& data, const std::string& split);

// The file that `file_name` names, which must be a relative path that stays beneath `folder` with
// symbolic links resolved. `where` is named in the message.
std::filesystem::path file_beneath(const std::filesystem::path& folder,
                                   const std::string& file_name, const std::string& where);

// The items of one folder in the order of its metadata; sizes, digests and bit depths are not read
// yet.
std::vector<DataItem> read_items(const std::filesystem::path& folder, const DataOptions& options);

// A positive finite number in column `column`. Throws Error(invalid, `where`).
double scale_of(const MetadataRow& row, const std::string& column);

// A label or caption: text, or a number or boolean spelt as JSON; nullopt where absent or null.
std::optional<std::string> text_of(const MetadataRow& row, const std::string& column);

}  // namespace sarsweep::trainer
