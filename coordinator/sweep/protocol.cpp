#include "coordinator/sweep/protocol.h"

#include <algorithm>
#include <map>
#include <span>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "coordinator/sweep/expand.h"
#include "coordinator/sweep/yaml_reader.h"
#include "schema/base/digest.h"
#include "schema/base/embedded_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/config/fields.h"

namespace sarsweep {

std::span<const EmbeddedFile> protocol_files();  // Made from schema/config/protocols by the build.

namespace sweep {
namespace {

using nlohmann::json;

json read_protocol(const EmbeddedFile& file) {
  Diagnostics diagnostics(std::string(file.name), file.content);
  const std::optional<YamlNode> root = read_yaml(file.content, diagnostics);
  if (!root || diagnostics.has_errors()) {
    throw Error(ErrorCode::internal,
                "the shipped protocol " + std::string(file.name) + " is broken");
  }
  const json plain = to_json(*root);
  json block = json::object();
  for (const auto& [key, value] : plain.items()) {
    const config::Field* field = config::find_field("eval." + key);
    block[key] =
        field == nullptr || value.is_null() ? value : config::canonical_value(*field, value);
  }
  return block;
}

const std::map<std::string, json>& protocols() {
  static const std::map<std::string, json> blocks = [] {
    std::map<std::string, json> read;
    for (const EmbeddedFile& file : protocol_files()) {
      const std::string name(file.name.substr(0, file.name.rfind('.')));
      read[name] = read_protocol(file);
    }
    return read;
  }();
  return blocks;
}

}  // namespace

const std::vector<std::string>& protocol_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> read;
    for (const auto& [name, block] : protocols()) read.push_back(name);
    return read;
  }();
  return names;
}

const std::vector<std::string>& protocol_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> read;
    for (const auto& [key, value] : protocols().at("sar-v1").items()) {
      if (key != "version") read.push_back(key);
    }
    return read;
  }();
  return keys;
}

bool is_protocol_field(const std::string& field) {
  const std::vector<std::string>& keys = protocol_keys();
  return field.starts_with("eval.") &&
         std::find(keys.begin(), keys.end(), field.substr(5)) != keys.end();
}

}  // namespace sweep

namespace coordinator {

nlohmann::json resolve_protocol(const nlohmann::json& flat_config) {
  const std::string name = flat_config.value("eval.protocol", "sar-v1");
  const auto found = sweep::protocols().find(name);
  if (found == sweep::protocols().end()) {
    throw Error(ErrorCode::not_found, "there is no protocol '" + name + "'", "eval.protocol");
  }
  nlohmann::json block = found->second;
  for (const auto& [key, value] : found->second.items()) {
    const auto given = flat_config.find("eval." + key);
    if (given != flat_config.end() && !given->is_null()) block[key] = *given;
  }
  block["hash"] = sha256(canonical_json(block));
  block["name"] = name;
  return block;
}

}  // namespace coordinator
}  // namespace sarsweep
