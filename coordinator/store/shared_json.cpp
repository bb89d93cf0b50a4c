#include "coordinator/store/shared_json.h"

namespace sarsweep::coordinator {

using nlohmann::json;

const json& CommonJson::parsed() const {
  std::call_once(once_, [this] { parsed_ = json::parse(text_); });
  return parsed_;
}

json SharedJson::whole() const {
  json all = json::parse(own);
  if (common != nullptr) all.update(common->parsed());
  return all;
}

json SharedJson::value(const std::string& key) const {
  if (common != nullptr) {
    const auto found = common->parsed().find(key);
    if (found != common->parsed().end()) return *found;
  }
  return json::parse(own).value(key, json());
}

}  // namespace sarsweep::coordinator
