#include "coordinator/sweep/protocol.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "coordinator/sweep/expand.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/config/shipped_protocols.h"

namespace sarsweep::sweep {

const std::vector<std::string>& protocol_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> read;
    for (const auto& [name, block] : config::shipped_protocols()) read.push_back(name);
    return read;
  }();
  return names;
}

const std::vector<std::string>& protocol_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> read;
    for (const auto& [key, value] : config::shipped_protocols().at("sar-v1").items()) {
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

}  // namespace sarsweep::sweep

namespace sarsweep::coordinator {

nlohmann::json resolve_protocol(const nlohmann::json& flat_config) {
  const std::string name = flat_config.value("eval.protocol", "sar-v1");
  const auto found = config::shipped_protocols().find(name);
  if (found == config::shipped_protocols().end()) {
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

}  // namespace sarsweep::coordinator
