#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/sweep/yaml_node.h"
#include "schema/config/run_values.h"

namespace sarsweep::sweep {

// One field given in one place of the file, or by --set.
struct Setting {
  std::string field;    // as in the table; text_encoders is spread
  config::Value value;  // canonical; null restores the default
  Place key;
  Place value_place;
  std::string origin;  // "sweep.yaml:12" or "--set"
  bool from_set = false;
};

// Read once and never changed: every row that it reaches shares it.
using SharedSetting = std::shared_ptr<const Setting>;

// What one map of the file sets: each field once, in file order.
using Layer = std::vector<SharedSetting>;

// What a run is given so far, lowest layer first.
class Row {
 public:
  // Maps merge, everything else replaces, null takes away; steps and epochs clear each other.
  void apply(const Layer& layer);

  // By the position of the field in the table, nullptr where it is not given; empty where nothing
  // is.
  const std::vector<SharedSetting>& settings() const { return settings_; }
  const Setting* find(std::string_view field) const;
  // The value of a field or of the group name text_encoders.X where both agree; null where absent.
  nlohmann::json value(const std::string& field) const;
  config::RunValues values() const;

 private:
  SharedSetting& at(std::string_view field);

  std::vector<SharedSetting> settings_;
};

}  // namespace sarsweep::sweep
