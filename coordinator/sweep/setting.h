#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/sweep/yaml_node.h"

namespace sarsweep::sweep {

// One field given in one place of the file, or by --set.
struct Setting {
  std::string field;     // as in the table; text_encoders is spread
  nlohmann::json value;  // canonical; null restores the default
  Place key;
  Place value_place;
  std::string origin;  // "sweep.yaml:12" or "--set"
  bool from_set = false;
};

// What one map of the file sets: each field once, in file order.
using Layer = std::vector<Setting>;

// What a run is given so far, lowest layer first.
class Row {
 public:
  // Maps merge, everything else replaces, null takes away; steps and epochs clear each other.
  void apply(const Layer& layer);

  const std::map<std::string, Setting>& settings() const { return settings_; }
  const Setting* find(const std::string& field) const;
  // The value of a field or of the group name text_encoders.X where both agree; null where absent.
  nlohmann::json value(const std::string& field) const;
  nlohmann::json flat() const;

 private:
  std::map<std::string, Setting> settings_;
};

}  // namespace sarsweep::sweep
