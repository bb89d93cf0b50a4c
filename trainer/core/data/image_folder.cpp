#include "trainer/core/data/image_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/data/fault_list.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& where, const std::string& reason,
                         const std::string& field = {}) {
  throw Error(ErrorCode::invalid, where + ": " + reason, field);
}

ListedPicture listed(const fs::path& folder, const MetadataRow& row) {
  const std::optional<std::string> name = text_of(row, "file_name");
  if (!name || name->empty()) refuse(row.where, "has no \"file_name\"");
  return {*name, {file_beneath(folder, *name, row.where)}, row};
}

}  // namespace

std::vector<MetadataRow> parse_metadata(std::string_view text, const std::string& name) {
  std::vector<MetadataRow> rows;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::string where = fmt::format("{}:{}", name, number);
    rows.push_back({where, parse_json(line, where)});
    if (!rows.back().values.is_object()) refuse(where, "is not a JSON object");
  }
  if (rows.empty()) refuse(name, "holds no picture");
  return rows;
}

std::vector<MetadataRow> read_metadata(const fs::path& folder) {
  const fs::path file = folder / "metadata.jsonl";
  if (!fs::is_regular_file(file)) {
    refuse(file.string(),
           "cannot be opened; write one JSON object a line: {\"file_name\": …, \"text\": …}");
  }
  return parse_metadata(read_file(file), file.string());
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

std::vector<ListedPicture> list_image_folder(const fs::path& folder) {
  std::vector<ListedPicture> pictures;
  std::set<std::string> seen;
  FaultList faults;
  for (const MetadataRow& row : read_metadata(folder)) {
    faults.gather([&] {
      pictures.push_back(listed(folder, row));
      if (seen.insert(pictures.back().file_name).second) return;
      refuse(row.where, fmt::format("file_name '{}' comes twice", pictures.back().file_name));
    });
  }
  faults.throw_if_any();
  return pictures;
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
