#include "coordinator/store/shared_json.h"

namespace sarsweep::coordinator {

using nlohmann::json;

json SharedJson::whole() const {
  json all = json::parse(own);
  if (common != nullptr) all.update(*common);
  return all;
}

json SharedJson::value(const std::string& key) const {
  if (common != nullptr) {
    const auto found = common->find(key);
    if (found != common->end()) return *found;
  }
  return json::parse(own).value(key, json());
}

}  // namespace sarsweep::coordinator
