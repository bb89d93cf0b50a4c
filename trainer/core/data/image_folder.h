#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/core/data/picture_list.h"

namespace sarsweep::trainer {

// Every line of the text of a metadata.jsonl, parsed strictly; empty lines are skipped. `name` is
// what messages call it. Throws Error(invalid) with file and line.
std::vector<MetadataRow> parse_metadata(std::string_view text, const std::string& name);
// Those of `folder`/metadata.jsonl.
std::vector<MetadataRow> read_metadata(const std::filesystem::path& folder);

// The file that `file_name` names, which must be a relative path that stays beneath `folder` with
// symbolic links resolved. `where` is named in the message.
std::filesystem::path file_beneath(const std::filesystem::path& folder,
                                   const std::string& file_name, const std::string& where);

// A positive finite number in column `column`. Throws Error(invalid, `where`).
double scale_of(const MetadataRow& row, const std::string& column);

// A label or caption: text, or a number or boolean spelt as JSON; nullopt where absent or null.
std::optional<std::string> text_of(const MetadataRow& row, const std::string& column);

}  // namespace sarsweep::trainer
