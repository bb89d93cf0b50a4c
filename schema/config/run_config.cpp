// From a few fields to a complete config and back: nesting, defaults, activity, legality.
#include <fmt/format.h>

#include <algorithm>

#include "schema/base/error.h"
#include "schema/config/condition.h"
#include "schema/config/field_value.h"
#include "schema/config/fields.h"
#include "schema/config/run_values.h"

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

RunValues defaults() {
  RunValues values;
  for (const Field& field : fields()) values.set(field, Value(field.default_value));
  return values;
}

void derive(RunValues& values, const RunValues& given) {
  if (!given.contains("train.steps") && !given.contains("train.epochs")) {
    values.set("train.epochs", Value(kDefaultEpochs));
  }
  if (values["job"] == "vae") {
    if (!given.contains("vae.mode")) values.set("vae.mode", Value("full"));
    for (const char* weight : {"vae.rayleigh_weight", "vae.histogram_weight"}) {
      if (!given.contains(weight)) values.set(weight, Value(0.0));
    }
  }
  for (const std::string part : {"unet", "text_encoder_1", "text_encoder_2"}) {
    const json& rank = values[part + ".rank"];
    if (values.contains(part + ".alpha") || !rank.is_number()) continue;
    values.set(part + ".alpha", Value(rank.get<double>() / 2));
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

const Condition& activity(const Field& field) {
  static const std::vector<Condition> conditions = [] {
    std::vector<Condition> parsed;
    for (const Field& row : fields()) {
      parsed.push_back(row.active_when.empty() ? Condition() : parse_condition(row.active_when));
    }
    return parsed;
  }();
  return conditions[position(field)];
}

bool is_active(const Field& field, const RunValues& complete) {
  const Condition& condition = activity(field);
  return std::all_of(condition.begin(), condition.end(),
                     [&](const Clause& clause) { return holds(clause, complete[clause.field]); });
}

RunValues with_defaults(const RunValues& given) {
  static const RunValues all = defaults();
  RunValues values = all;
  for (const Field& field : fields()) {
    if (!given.at(field).is_null()) values.set(field, given.at(field));
  }
  derive(values, given);
  return values;
}

RunValues active_only(const RunValues& complete) {
  RunValues active = complete;
  for (const Field& field : fields()) {
    if (!complete.at(field).is_null() && !is_active(field, complete)) active.set(field, Value());
  }
  return active;
}

json with_defaults(const json& flat) {
  const RunValues values = with_defaults(RunValues(flat));
  json complete = flat;
  for (const Field& field : fields()) {
    complete[std::string(field.name)] = values.at(field).json();
  }
  return complete;
}

json active_only(const json& flat) {
  const RunValues values(flat);
  json active = json::object();
  for (const auto& [name, value] : flat.items()) {
    const Field* field = find_field(name);
    if (field == nullptr || is_active(*field, values)) active[name] = value;
  }
  return active;
}

void require_valid(const json& flat) {
  const RunValues values(flat);
  for (const auto& [name, value] : flat.items()) {
    const Field* field = find_field(name);
    if (field == nullptr) {
      const std::string nearest = nearest_field(name);
      refuse(name, "is not a field" + (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
    }
    if (!is_active(*field, values)) continue;
    if (const auto fault = check_value(*field, value)) {
      refuse(name, *fault + "; " + value_proposal(*field, value));
    }
  }
  const std::vector<Problem> problems = combination_problems(values);
  if (problems.empty()) return;
  const Problem& first = problems.front();
  throw Error(ErrorCode::invalid,
              first.message + (first.suggestion.empty() ? "" : "; " + first.suggestion),
              first.field);
}

}  // namespace sarsweep::config
