#pragma once

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

namespace sarsweep::coordinator {

// A JSON object in two parts without a common key: what one row holds alone, and what it shares
// with the rows it was written with. Ten thousand runs of a grid differ in a few fields each.
struct SharedJson {
  std::string own = "{}";
  std::shared_ptr<const nlohmann::json> common = {};  // nullptr: nothing

  nlohmann::json whole() const;
  // The value of one key; null where neither part has it.
  nlohmann::json value(const std::string& key) const;
};

}  // namespace sarsweep::coordinator
