#include "coordinator/sweep/setting.h"

#include "schema/config/fields.h"

namespace sarsweep::sweep {

using nlohmann::json;

void Row::apply(const Layer& layer) {
  for (const Setting& setting : layer) {
    if (setting.value.is_null()) {
      settings_.erase(setting.field);
      continue;
    }
    if (setting.field == "train.steps") settings_.erase("train.epochs");
    if (setting.field == "train.epochs") settings_.erase("train.steps");
    Setting merged = setting;
    const config::Field* field = config::find_field(setting.field);
    const Setting* below = find(setting.field);
    if (field != nullptr && field->type == config::FieldType::map && below != nullptr) {
      merged.value = below->value;
      merged.value.update(setting.value);
    }
    settings_[setting.field] = std::move(merged);
  }
}

const Setting* Row::find(const std::string& field) const {
  const auto found = settings_.find(field);
  return found == settings_.end() ? nullptr : &found->second;
}

json Row::value(const std::string& field) const {
  json common;
  for (const std::string& name : config::spread(field)) {
    const Setting* setting = find(name);
    if (setting == nullptr || (!common.is_null() && common != setting->value)) return nullptr;
    common = setting->value;
  }
  return common;
}

json Row::flat() const {
  json flat = json::object();
  for (const auto& [field, setting] : settings_) flat[field] = setting.value;
  return flat;
}

}  // namespace sarsweep::sweep
