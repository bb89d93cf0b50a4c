#pragma once

#include <optional>
#include <string_view>

#include "coordinator/sweep/diagnostics.h"
#include "coordinator/sweep/yaml_node.h"

namespace sarsweep::sweep {

// One YAML document as a tree with places. Refused, each with its place: what guard_text refuses,
// anchors and aliases, `<<`, explicit tags, duplicate keys, keys that are no text, a second
// document, more than 16 levels or 100,000 nodes. nullopt if the text cannot be read at all;
// otherwise the refusals are in `diagnostics` and the tree holds the rest.
std::optional<YamlNode> read_yaml(std::string_view text, Diagnostics& diagnostics);

}  // namespace sarsweep::sweep
