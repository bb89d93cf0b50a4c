#include "coordinator/sweep/setting.h"

#include <utility>

#include "schema/config/condition.h"
#include "schema/config/fields.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

// The maps of two layers in one.
SharedSetting merge(const Setting& below, const Setting& above) {
  Setting merged = above;
  json value = below.value.json();
  value.update(above.value.json());
  merged.value = config::Value(std::move(value));
  return std::make_shared<const Setting>(std::move(merged));
}

}  // namespace

SharedSetting& Row::at(std::string_view field) {
  if (settings_.empty()) settings_.resize(config::fields().size());
  return settings_[config::position(*config::find_field(field))];
}

void Row::apply(const Layer& layer) {
  for (const SharedSetting& setting : layer) {
    SharedSetting& place = at(setting->field);
    if (setting->value.is_null()) {
      place.reset();
      continue;
    }
    if (const auto rival = config::rival_of(setting->field); !rival.empty()) at(rival).reset();
    const bool map = config::find_field(setting->field)->type == config::FieldType::map;
    place = map && place != nullptr ? merge(*place, *setting) : setting;
  }
}

const Setting* Row::find(std::string_view field) const {
  const config::Field* known = config::find_field(field);
  if (known == nullptr || settings_.empty()) return nullptr;
  return settings_[config::position(*known)].get();
}

json Row::value(const std::string& field) const {
  return config::joint_value(field, [this](const std::string& name) {
    const Setting* setting = find(name);
    return setting == nullptr ? json() : setting->value.json();
  });
}

config::RunValues Row::values() const {
  config::RunValues values;
  for (std::size_t i = 0; i < settings_.size(); ++i) {
    if (settings_[i] != nullptr) values.set(config::fields()[i], settings_[i]->value);
  }
  return values;
}

}  // namespace sarsweep::sweep
