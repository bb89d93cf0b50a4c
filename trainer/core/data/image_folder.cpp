#include "trainer/core/data/image_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <set>

#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& where, const std::string& reason,
                         const std::string& field = {}) {
  throw Error(ErrorCode::invalid, where + ": " + reason, field);
}

std::string columns_of(const MetadataRow& row) {
  std::string names;
  for (const auto& [key, value] : row.values.items()) names += (names.empty() ? "" : ", ") + key;
  return names;
}

// The first occurrence only, one pair after the other.
std::string replaced(std::string text, const DataOptions& options) {
  for (const auto& [from, to] : options.prompt_replace) {
    const std::size_t at = from.empty() ? std::string::npos : text.find(from);
    if (at != std::string::npos) text.replace(at, from.size(), to);
  }
  return text;
}

DataItem read_item(const fs::path& folder, const MetadataRow& row, const DataOptions& options) {
  DataItem item;
  const std::optional<std::string> name = text_of(row, "file_name");
  if (!name || name->empty()) refuse(row.where, "has no \"file_name\"");
  item.file_name = *name;
  item.path = file_beneath(folder, *name, row.where);
  const std::optional<std::string> caption = text_of(row, options.caption_column);
  if (!caption) {
    refuse(row.where,
           fmt::format("has no caption column '{}' (columns: {}); set data.caption_column",
                       options.caption_column, columns_of(row)),
           "data.caption_column");
  }
  item.caption = *caption;
  item.prompt = replaced(*caption, options);
  if (!options.scale_column.empty()) item.scale = scale_of(row, options.scale_column);
  if (!options.group_column.empty()) {
    const std::optional<std::string> group = text_of(row, options.group_column);
    if (!group) {
      refuse(row.where, fmt::format("has no group column '{}'", options.group_column),
             "data.group_column");
    }
    item.group = *group;
  }
  return item;
}

// All rows have a label, or none has: then there is one label, `all`.
void set_labels(std::vector<DataItem>& items, const std::vector<MetadataRow>& rows,
                const std::string& column) {
  const auto has_label = [&](const MetadataRow& row) { return text_of(row, column).has_value(); };
  const bool labelled = !column.empty() && std::any_of(rows.begin(), rows.end(), has_label);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::optional<std::string> label = text_of(rows[i], column);
    if (labelled && !label) {
      refuse(rows[i].where,
             fmt::format("has no label column '{}', although other rows have it", column),
             "data.label_column");
    }
    items[i].label = labelled ? *label : "all";
  }
}

std::string existing_splits(const fs::path& data) {
  std::string names;
  for (const char* split : {"train", "val", "validation", "test"}) {
    if (fs::is_directory(data / split)) names += (names.empty() ? "" : ", ") + std::string(split);
  }
  return names.empty() ? "none of train, val, validation, test" : names;
}

}  // namespace

std::vector<MetadataRow> read_metadata(const fs::path& folder) {
  const fs::path file = folder / "metadata.jsonl";
  std::ifstream in(file);
  if (!in) {
    refuse(file.string(),
           "cannot be opened; write one JSON object a line: {\"file_name\": …, \"text\": …}");
  }
  std::vector<MetadataRow> rows;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const std::string where = fmt::format("{}:{}", file.string(), number);
    rows.push_back({where, parse_json(line, where)});
    if (!rows.back().values.is_object()) refuse(where, "is not a JSON object");
  }
  if (rows.empty()) refuse(file.string(), "holds no picture");
  return rows;
}

fs::path split_folder(const fs::path& data, const std::string& split) {
  std::vector<std::string> names = {split};
  if (split == "val") names.emplace_back("validation");
  if (split == "validation") names.emplace_back("val");
  for (const std::string& name : names) {
    if (fs::is_directory(data / name)) return data / name;
  }
  if (!fs::is_directory(data)) refuse(data.string(), "no such data folder", "data.path");
  refuse(data.string(),
         fmt::format("has no split '{}' (there is: {})", split, existing_splits(data)),
         "data.split");
}

fs::path file_beneath(const fs::path& folder, const std::string& file_name,
                      const std::string& where) {
  const fs::path name(file_name);
  const auto outside = [](const fs::path& path) {
    return path.is_absolute() || path.empty() || *path.begin() == "..";
  };
  if (outside(name.lexically_normal())) {
    refuse(where, fmt::format("file_name '{}' leaves its data folder", file_name));
  }
  const fs::path path = folder / name;
  if (!fs::is_regular_file(path)) {
    refuse(where, fmt::format("no such picture: {}", path.string()));
  }
  if (outside(fs::canonical(path).lexically_relative(fs::canonical(folder)))) {
    refuse(where, fmt::format("file_name '{}' is a link out of its data folder", file_name));
  }
  return path;
}

std::vector<DataItem> read_items(const fs::path& folder, const DataOptions& options) {
  const std::vector<MetadataRow> rows = read_metadata(folder);
  std::vector<DataItem> items;
  std::set<std::string> seen;
  for (const MetadataRow& row : rows) {
    items.push_back(read_item(folder, row, options));
    if (!seen.insert(items.back().file_name).second) {
      refuse(row.where, fmt::format("file_name '{}' comes twice", items.back().file_name));
    }
  }
  set_labels(items, rows, options.label_column);
  return items;
}

double scale_of(const MetadataRow& row, const std::string& column) {
  const auto found = row.values.find(column);
  if (found == row.values.end() || !found->is_number()) {
    refuse(row.where, fmt::format("has no number in scale column '{}'", column),
           "data.scale_column");
  }
  const double scale = found->get<double>();
  if (!std::isfinite(scale) || scale <= 0) {
    refuse(row.where, fmt::format("scale {} must be above 0", scale), "data.scale_column");
  }
  return scale;
}

std::optional<std::string> text_of(const MetadataRow& row, const std::string& column) {
  const auto found = row.values.find(column);
  if (found == row.values.end() || found->is_null()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (found->is_structured()) {
    refuse(row.where, fmt::format("column '{}' holds {}, not text", column, found->type_name()));
  }
  return found->dump();
}

}  // namespace sarsweep::trainer
