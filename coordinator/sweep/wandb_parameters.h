#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/sweep/diagnostics.h"
#include "coordinator/sweep/yaml_node.h"

namespace sarsweep::sweep {

struct WandbParameter {
  std::string name;  // dotted where parameters are nested
  Place place;
  std::vector<nlohmann::json> values;  // one: fixed; none: a range that cannot be listed
};

// The `parameters:` block in the file's order. Steps of a range (int_uniform, q_uniform) are listed
// where they are at most kMostSteps.
std::vector<WandbParameter> read_wandb_parameters(const YamlNode& map, Diagnostics& diagnostics);

inline constexpr int kMostSteps = 16;

}  // namespace sarsweep::sweep
