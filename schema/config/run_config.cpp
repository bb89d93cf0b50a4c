// From a few fields to a complete config and back: nesting, defaults, activity, legality.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

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

// Defaults that depend on what is given; `values` has no others yet.
void derive(RunValues& values) {
  const bool clip = values["job"] == "clip";
  const std::string group = clip ? "clip" : "train";
  if (!values.contains(group + ".steps") && !values.contains(group + ".epochs")) {
    static const Value epochs(kDefaultEpochs);
    values.set(group + ".epochs", epochs);
  }
  if (clip && !values.contains("export.dtype")) values.set("export.dtype", Value("fp32"));
  if (values["job"] != "vae") return;
  if (!values.contains("vae.mode")) values.set("vae.mode", Value("full"));
  for (const char* weight : {"vae.rayleigh_weight", "vae.histogram_weight"}) {
    if (!values.contains(weight)) values.set(weight, Value(0.0));
  }
}

void derive_alphas(RunValues& values) {
  static constexpr std::array<std::pair<const char*, const char*>, 3> kParts = {
      {{"unet.rank", "unet.alpha"},
       {"text_encoder_1.rank", "text_encoder_1.alpha"},
       {"text_encoder_2.rank", "text_encoder_2.alpha"}}};
  for (const auto& [rank, alpha] : kParts) {
    const json& given = values[rank];
    if (values.contains(alpha) || !given.is_number()) continue;
    values.set(alpha, Value(given.get<double>() / 2));
  }
}

// The fields that stand and fall together: those with one condition.
struct Dependents {
  const Condition* condition = nullptr;
  std::vector<const Field*> asked;  // of each clause; nullptr: no such field
  std::vector<const Field*> fields;
};

std::vector<Dependents> find_dependents() {
  std::map<std::string_view, Dependents> by_condition;
  for (const Field& field : fields()) {
    if (field.active_when.empty()) continue;
    Dependents& group = by_condition[field.active_when];
    group.fields.push_back(&field);
    if (group.condition != nullptr) continue;
    group.condition = &activity(field);
    for (const Clause& clause : *group.condition) group.asked.push_back(find_field(clause.field));
  }
  std::vector<Dependents> all;
  for (auto& [text, group] : by_condition) all.push_back(std::move(group));
  return all;
}

bool stand(const Dependents& group, const RunValues& complete) {
  static const json null;
  for (std::size_t i = 0; i < group.asked.size(); ++i) {
    const Field* field = group.asked[i];
    if (!holds((*group.condition)[i], field == nullptr ? null : complete.at(*field).json())) {
      return false;
    }
  }
  return true;
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

RunValues with_defaults(RunValues given) {
  static const RunValues all = defaults();
  derive(given);
  given.complete_by(all);
  derive_alphas(given);
  return given;
}

RunValues active_only(RunValues complete) {
  static const std::vector<Dependents> groups = find_dependents();
  std::vector<const Field*> inactive;
  for (const Dependents& group : groups) {
    if (stand(group, complete)) continue;
    inactive.insert(inactive.end(), group.fields.begin(), group.fields.end());
  }
  for (const Field* field : inactive) complete.set(*field, Value());
  return complete;
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
