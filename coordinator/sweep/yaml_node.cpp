#include "coordinator/sweep/yaml_node.h"

namespace sarsweep::sweep {

const YamlEntry* find_entry(const YamlNode& map, std::string_view key) {
  for (const YamlEntry& entry : map.entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

nlohmann::json to_json(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::scalar: return node.scalar;
    case YamlNode::Kind::list: {
      nlohmann::json list = nlohmann::json::array();
      for (const YamlNode& item : node.items) list.push_back(to_json(item));
      return list;
    }
    case YamlNode::Kind::map: break;
  }
  nlohmann::json map = nlohmann::json::object();
  for (const YamlEntry& entry : node.entries) map[entry.key] = to_json(entry.value);
  return map;
}

}  // namespace sarsweep::sweep
