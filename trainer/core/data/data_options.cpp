// The data fields of a config, checked.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "schema/base/error.h"
#include "trainer/core/data/dataset.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& message, const std::string& field) {
  throw Error(ErrorCode::invalid, message, field);
}

// nullptr where the field is absent or null.
const json* find(const json& group, const char* key) {
  const auto found = group.is_object() ? group.find(key) : group.end();
  return found == group.end() || found->is_null() ? nullptr : &*found;
}

void read_text(const json& data, const char* key, std::string& target) {
  const json* value = find(data, key);
  if (value == nullptr) return;
  const std::string field = std::string("data.") + key;
  if (!value->is_string()) {
    refuse(fmt::format("{} must be a text (got {})", field, value->dump()), field);
  }
  target = value->get<std::string>();
}

void require_one_of(const char* field, const std::string& value,
                    const std::vector<std::string>& legal) {
  if (std::find(legal.begin(), legal.end(), value) != legal.end()) return;
  refuse(fmt::format("{} must be one of {} (got '{}')", field, fmt::join(legal, ", "), value),
         field);
}

void read_resolution(const json& data, DataOptions& options) {
  const json* value = find(data, "resolution");
  if (value == nullptr) return;
  const bool whole = value->is_number() && value->get<double>() >= 2 &&
                     value->get<double>() <= 1 << 16 &&
                     value->get<double>() == static_cast<int>(value->get<double>());
  if (!whole) {
    refuse(
        fmt::format("data.resolution must be a whole number of at least 2 (got {})", value->dump()),
        "data.resolution");
  }
  options.resolution = static_cast<int>(value->get<double>());
}

void read_replacements(const json& config, DataOptions& options) {
  const json* prompt = find(config, "prompt");
  const json* replace = prompt == nullptr ? nullptr : find(*prompt, "replace");
  if (replace == nullptr) return;
  for (const auto& [from, to] : replace->items()) {
    if (!to.is_string() || from.empty()) {
      refuse(
          fmt::format("prompt.replace must map a text to a text (got '{}' -> {})", from, to.dump()),
          "prompt.replace");
    }
    options.prompt_replace.emplace_back(from, to.get<std::string>());
  }
}

void require_legal(const DataOptions& options) {
  if (options.path.empty()) {
    refuse("data.path is missing: the folder that holds the pictures", "data.path");
  }
  if (options.split.empty() || options.split.find('/') != std::string::npos ||
      options.split.starts_with('.')) {
    refuse(fmt::format("data.split must be the name of a folder (got '{}')", options.split),
           "data.split");
  }
  require_one_of("data.format", options.format, {"auto", "imagefolder", "webdataset", "kohya"});
  require_one_of("data.crop", options.crop, {"center", "random", "tile"});
  require_one_of("data.resize", options.resize, {"error", "lanczos", "block_mean"});
  parse_gray(options.gray);
  mirrors_of(options.flip, options.range_axis);
  if (!needs_statistics(options.stretch, options.stretch_scope)) {
    make_stretch(options.stretch, options.stretch_scope, 0, 0);
  }
}

}  // namespace

DataOptions data_options(const json& nested_config) {
  const json* group = find(nested_config, "data");
  const json data = group == nullptr ? json::object() : *group;
  DataOptions options;
  std::string path;
  read_text(data, "path", path);
  options.path = path;
  read_text(data, "format", options.format);
  read_text(data, "split", options.split);
  read_resolution(data, options);
  read_text(data, "caption_column", options.caption_column);
  read_text(data, "label_column", options.label_column);
  read_text(data, "scale_column", options.scale_column);
  read_text(data, "group_column", options.group_column);
  if (const json* stretch = find(data, "stretch")) options.stretch = *stretch;
  read_text(data, "stretch_scope", options.stretch_scope);
  read_text(data, "gray", options.gray);
  read_text(data, "crop", options.crop);
  read_text(data, "resize", options.resize);
  read_text(data, "flip", options.flip);
  read_text(data, "range_axis", options.range_axis);
  read_replacements(nested_config, options);
  require_legal(options);
  return options;
}

}  // namespace sarsweep::trainer
