// From a few fields to a complete config and back: nesting, defaults, activity, legality.
#include <fmt/format.h>

#include <unordered_map>

#include "schema/base/error.h"
#include "schema/config/condition.h"
#include "schema/config/field_value.h"
#include "schema/config/fields.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;

constexpr int kDefaultEpochs = 8;  // the paper's

void flatten_into(const json& nested, const std::string& prefix, json& flat) {
  for (const auto& [key, value] : nested.items()) {
    const std::string name = prefix.empty() ? key : prefix + "." + key;
    if (value.is_object() && find_field(name) == nullptr) {
      flatten_into(value, name, flat);
      continue;
    }
    for (const std::string& field : spread(name)) flat[field] = value;
  }
}

const Condition& activity(const Field& field) {
  static const std::unordered_map<std::string_view, Condition> conditions = [] {
    std::unordered_map<std::string_view, Condition> parsed;
    for (const Field& row : fields()) {
      parsed[row.name] = row.active_when.empty() ? Condition() : parse_condition(row.active_when);
    }
    return parsed;
  }();
  return conditions.at(field.name);
}

bool is_active(const Field& field, const json& flat) {
  return holds(activity(field), [&](const std::string& name) {
    const auto found = flat.find(name);
    return found == flat.end() ? json() : *found;
  });
}

void derive(json& flat, const json& given) {
  const auto is_given = [&](const char* name) {
    return given.contains(name) && !given[name].is_null();
  };
  if (!is_given("train.steps") && !is_given("train.epochs")) flat["train.epochs"] = kDefaultEpochs;
  if (flat["job"] == "vae") {
    if (!is_given("vae.mode")) flat["vae.mode"] = "full";
    for (const char* weight : {"vae.rayleigh_weight", "vae.histogram_weight"}) {
      if (!is_given(weight)) flat[weight] = 0.0;
    }
  }
  for (const std::string part : {"unet", "text_encoder_1", "text_encoder_2"}) {
    json& alpha = flat[part + ".alpha"];
    const json& rank = flat[part + ".rank"];
    if (alpha.is_null() && rank.is_number()) alpha = rank.get<double>() / 2;
  }
}

[[noreturn]] void refuse(const std::string& field, const std::string& sentence) {
  throw Error(ErrorCode::invalid, field + " " + sentence, field);
}

}  // namespace

json nest(const json& flat) {
  json nested = json::object();
  for (const auto& [name, value] : flat.items()) {
    json* place = &nested;
    std::size_t start = 0;
    for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', start)) {
      place = &(*place)[name.substr(start, dot - start)];
      start = dot + 1;
    }
    (*place)[name.substr(start)] = value;
  }
  return nested;
}

json flatten(const json& nested) {
  json flat = json::object();
  flatten_into(nested, "", flat);
  return flat;
}

json with_defaults(const json& flat) {
  json complete = flat;
  for (const Field& field : fields()) {
    json& value = complete[std::string(field.name)];
    if (value.is_null()) value = field.default_value;
  }
  derive(complete, flat);
  return complete;
}

json active_only(const json& flat) {
  json active = json::object();
  for (const auto& [name, value] : flat.items()) {
    const Field* field = find_field(name);
    if (field == nullptr || is_active(*field, flat)) active[name] = value;
  }
  return active;
}

void require_valid(const json& flat) {
  for (const auto& [name, value] : flat.items()) {
    const Field* field = find_field(name);
    if (field == nullptr) {
      const std::string nearest = nearest_field(name);
      refuse(name, "is not a field" + (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
    }
    if (!is_active(*field, flat)) continue;
    if (const auto fault = check_value(*field, value)) {
      refuse(name, *fault + "; " + value_proposal(*field, value));
    }
  }
  const std::vector<Problem> problems = combination_problems(flat);
  if (problems.empty()) return;
  const Problem& first = problems.front();
  throw Error(ErrorCode::invalid,
              first.message + (first.suggestion.empty() ? "" : "; " + first.suggestion),
              first.field);
}

}  // namespace sarsweep::config
