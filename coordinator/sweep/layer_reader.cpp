#include "coordinator/sweep/layer_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "coordinator/sweep/best_parent.h"
#include "coordinator/sweep/yaml_reader.h"
#include "schema/config/field_value.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

constexpr std::string_view kEncoders = "text_encoders";

std::string_view last_part(std::string_view dotted) { return dotted.substr(dotted.rfind('.') + 1); }

std::string group_of(const std::string& dotted) {
  const std::size_t dot = dotted.rfind('.');
  return dot == std::string::npos ? std::string() : dotted.substr(0, dot);
}

std::string real_group(const std::string& group) {
  return group == kEncoders ? "text_encoder_1" : group;
}

std::string fields_of(const std::string& group) {
  std::vector<std::string_view> names;
  const std::string prefix = real_group(group) + ".";
  for (const config::Field& field : config::fields()) {
    if (field.name.starts_with(prefix)) names.push_back(field.name.substr(prefix.size()));
  }
  return fmt::format("{} has: {}", group, fmt::join(names, ", "));
}

// The part of a written key from its last dot on, which is what is usually misspelt.
Place last_part_of(const std::string& written, Place key) {
  const std::size_t dot = written.rfind('.');
  if (dot == std::string::npos || key.length < static_cast<int>(written.size())) return key;
  const int skipped = static_cast<int>(dot) + 1;
  return {key.line, key.col + skipped, key.length - skipped};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    std::string line = text.substr(start, end - start);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    start = end + 1;
  }
  return lines;
}

config::Value canonical(const config::Field& field, const json& plain) {
  return plain.is_null() ? config::Value() : config::Value(config::canonical_value(field, plain));
}

SharedSetting share(Setting setting) { return std::make_shared<const Setting>(std::move(setting)); }

}  // namespace

bool LayerReader::is_field(const std::string& dotted) {
  return config::find_field(config::spread(dotted).front()) != nullptr;
}

bool LayerReader::is_group(const std::string& dotted) {
  const std::string prefix = real_group(dotted) + ".";
  const auto fields = config::fields();
  return std::any_of(fields.begin(), fields.end(),
                     [&](const config::Field& field) { return field.name.starts_with(prefix); });
}

std::string LayerReader::origin(Place place) const {
  return fmt::format("{}:{}", source_.file, place.line);
}

void LayerReader::report_unknown(const std::string& dotted, const std::string& written, Place key) {
  const std::string group = group_of(dotted);
  const std::string nearest = config::nearest_field(dotted);
  const bool known_group = !group.empty() && is_group(group);
  const std::string where = known_group ? " in " + group : "";
  const std::string name = known_group ? std::string(last_part(dotted)) : dotted;
  std::string proposal;
  if (!nearest.empty()) {
    for (const std::string& meant : config::spread(nearest)) diagnostics_.misread(meant);
    const bool sibling = known_group && group_of(nearest) == group;
    proposal =
        fmt::format("did you mean '{}'?", sibling ? std::string(last_part(nearest)) : nearest);
  } else {
    proposal = known_group ? fields_of(group) : "docs/fields.md lists every field";
  }
  diagnostics_.error(known_group ? last_part_of(written, key) : key, "unknown_field",
                     fmt::format("unknown field '{}'{}", name, where), proposal);
}

json LayerReader::prompts_of_file(const std::string& path) {
  const auto found = source_.files.find(path);
  if (found != source_.files.end()) return lines_of(found->second);
  if (std::find(needs_files_.begin(), needs_files_.end(), path) == needs_files_.end()) {
    needs_files_.push_back(path);
  }
  return json::array();
}

Layer LayerReader::settings(const std::string& dotted, Place key, const YamlNode& value) {
  json plain = to_json(value);
  if (dotted == "samples.prompts" && plain.is_string()) plain = prompts_of_file(plain);
  Layer layer;
  for (const std::string& name : config::spread(dotted)) {
    const config::Field& field = *config::find_field(name);
    if (const auto fault = config::check_value(field, plain)) {
      diagnostics_.error(value.place, "bad_value", dotted + " " + *fault,
                         config::value_proposal(field, plain));
      for (const std::string& wrong : config::spread(dotted)) diagnostics_.misread(wrong);
      return {};
    }
    layer.push_back(share({.field = name,
                           .value = canonical(field, plain),
                           .key = key,
                           .value_place = value.place,
                           .origin = origin(key)}));
  }
  return layer;
}

void LayerReader::add(Layer found, Layer& layer) {
  for (SharedSetting& shared : found) {
    const Setting& setting = *shared;
    const auto same = [&](const std::string& name) {
      return std::any_of(layer.begin(), layer.end(), [&](const SharedSetting& other) {
        return other->field == name && !(other->value.is_null() && name != setting.field);
      });
    };
    if (same(setting.field)) {
      diagnostics_.error(setting.key, "duplicate_field",
                         setting.field + " is given twice in this map", "keep one of the two");
      continue;
    }
    const std::string rival(config::rival_of(setting.field));
    if (!rival.empty() && !setting.value.is_null() && same(rival)) {
      const auto [first, second] = std::minmax(rival, setting.field);
      diagnostics_.error(setting.key, "illegal_combination",
                         fmt::format("{} and {} are both given in this map", first, second),
                         "keep one of them");
      continue;
    }
    layer.push_back(std::move(shared));
  }
}

void LayerReader::read_into(const YamlNode& map, const std::string& prefix,
                            const std::vector<std::string_view>& skip, Layer& layer) {
  for (const YamlEntry& entry : map.entries) {
    if (std::find(skip.begin(), skip.end(), entry.key) != skip.end()) continue;
    const std::string dotted = prefix.empty() ? entry.key : prefix + "." + entry.key;
    if (is_field(dotted)) {
      add(settings(dotted, entry.place, entry.value), layer);
    } else if (!is_group(dotted)) {
      report_unknown(dotted, entry.key, entry.place);
    } else if (entry.value.is_map()) {
      read_into(entry.value, dotted, {}, layer);
    } else if (!entry.value.is_null()) {
      diagnostics_.error(entry.value.place, "wrong_type",
                         fmt::format("{} is a group of fields (got {})", dotted,
                                     config::describe(to_json(entry.value))),
                         "give a map; " + fields_of(dotted));
    }
  }
}

Layer LayerReader::read(const YamlNode& map, const std::string& prefix,
                        const std::vector<std::string_view>& skip) {
  Layer layer;
  if (map.is_null()) return layer;
  if (!map.is_map()) {
    diagnostics_.error(map.place, "wrong_type",
                       "expected a map of fields (got " + config::describe(to_json(map)) + ")",
                       "write {unet.lr: 1e-5}, or indented lines");
    return layer;
  }
  read_into(map, prefix, skip, layer);
  return layer;
}

Layer LayerReader::parent(const YamlEntry& entry) {
  json reference = {{"run", entry.value.scalar}, {"checkpoint", "last"}};
  if (entry.value.is_map()) {
    const auto best = read_best(entry.value, diagnostics_);
    if (!best) return {};
    reference = *best;
  } else if (!entry.value.is_text()) {
    diagnostics_.error(
        entry.value.place, "wrong_type",
        "parent must be the name of a run (got " + config::describe(to_json(entry.value)) + ")",
        "write parent: NAME, or parent: {best: STUDY}");
    return {};
  }
  return {share({.field = "model.path",
                 .value = config::Value(std::move(reference)),
                 .key = entry.place,
                 .value_place = entry.value.place,
                 .origin = origin(entry.place)})};
}

void LayerReader::add_set(const std::string& text, Layer& layer) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    diagnostics_.set_error(text, "bad_set", "--set " + text + " is not key=value",
                           "write --set unet.lr=1e-5");
    return;
  }
  const std::string name = text.substr(0, equals);
  const std::string value_text = text.substr(equals + 1);
  if (!is_field(name)) {
    const std::string nearest = config::nearest_field(name);
    diagnostics_.set_error(
        text, "unknown_field", "unknown field '" + name + "' in --set",
        nearest.empty() ? "docs/fields.md lists every field" : "did you mean '" + nearest + "'?");
    return;
  }
  Diagnostics own("--set", value_text);
  std::optional<YamlNode> node = read_yaml(value_text, own);
  const config::FieldType type = config::find_field(config::spread(name).front())->type;
  const bool verbatim = type == config::FieldType::path || type == config::FieldType::text;
  if (verbatim && (!node || node->kind != YamlNode::Kind::scalar || own.has_errors() ||
                   !(node->scalar.is_string() || node->scalar.is_null()))) {
    node = YamlNode();
    node->scalar = value_text;
  } else if (!node || own.has_errors()) {
    diagnostics_.set_error(text, "bad_value", "the value of --set " + name + " cannot be read",
                           "put it in quotes");
    return;
  }
  Layer found = settings_of_set(name, text, *node);
  layer.insert(layer.end(), found.begin(), found.end());
}

Layer LayerReader::settings_of_set(const std::string& name, const std::string& text,
                                   const YamlNode& node) {
  json plain = to_json(node);
  if (name == "samples.prompts" && plain.is_string()) plain = prompts_of_file(plain);
  Layer layer;
  for (const std::string& field_name : config::spread(name)) {
    const config::Field& field = *config::find_field(field_name);
    if (const auto fault = config::check_value(field, plain)) {
      diagnostics_.set_error(text, "bad_value", name + " " + *fault,
                             config::value_proposal(field, plain));
      for (const std::string& wrong : config::spread(name)) diagnostics_.misread(wrong);
      return {};
    }
    layer.push_back(share({.field = field_name,
                           .value = canonical(field, plain),
                           .key = {},
                           .value_place = {},
                           .origin = "--set",
                           .from_set = true}));
  }
  return layer;
}

Layer LayerReader::set_layer() {
  Layer layer;
  for (const std::string& text : source_.set) add_set(text, layer);
  return layer;
}

}  // namespace sarsweep::sweep
