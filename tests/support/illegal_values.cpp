#include "tests/support/illegal_values.h"

#include <algorithm>

#include "schema/config/condition.h"

namespace sarsweep::tests {
namespace {

using config::Field;
using config::FieldType;
using nlohmann::json;

void add_beyond_bounds(const Field& field, double step, std::vector<json>& values) {
  if (field.low) values.emplace_back(field.low_open ? *field.low : *field.low - step);
  if (field.high) values.emplace_back(std::max(*field.high + step, *field.high * (1 + 1e-9)));
}

// What the field may be of the JSON types: the others are all wrong.
bool takes(FieldType type, const json& value) {
  switch (type) {
    case FieldType::boolean: return value.is_boolean();
    case FieldType::integer:
    case FieldType::number: return value.is_number();
    case FieldType::text:
    case FieldType::choice:
    case FieldType::path: return value.is_string();
    case FieldType::interval: return value.is_number() || value.is_string();
    case FieldType::duration:
    case FieldType::size: return value.is_string();
    case FieldType::list: return value.is_array();
    case FieldType::map: return value.is_object();
    case FieldType::model:
    case FieldType::stretch: return value.is_string() || value.is_object();
  }
  return false;
}

std::vector<json> wrong_inside(const Field& field) {
  switch (field.type) {
    case FieldType::boolean:
    case FieldType::text: return {};
    case FieldType::integer: return {1.5, "no number", 1e300};
    case FieldType::number: return {"no number"};
    case FieldType::choice: return {"no such choice", ""};
    case FieldType::path: return {""};
    case FieldType::interval: return {1.5, "2 weeks", "epochs", "-1epochs"};
    case FieldType::duration: return {"", "12", "0s", "1.5h", "-1h", "3h2d", "99999999999d", "1h "};
    case FieldType::size:
      return {"", "12", "0GiB", "1.5GiB", "-1GiB", "70 GiB", "70gib", "9999TiB"};
    case FieldType::list: return {json::array({json::object()}), json::array({nullptr})};
    case FieldType::map: return {{{"key", 3}}, {{"key", nullptr}}};
    case FieldType::model: return {"", json::object(), {{"run", 3}}, {{"run", "a"}, {"x", "y"}}};
    case FieldType::stretch:
      return {
          "gamma", json::object(), {{"lo", 0}}, {{"lo", 2}, {"hi", 1}}, {{"lo", "a"}, {"hi", 1}}};
  }
  return {};
}

// A value of the clause's field for which it holds.
json satisfying(const config::Clause& clause) {
  if (clause.comparison == config::Comparison::in) return clause.value.at(0);
  if (clause.comparison != config::Comparison::not_equal) return clause.value;
  const Field* field = config::find_field(clause.field);
  for (const std::string& choice : field->choices) {
    const bool honoured = !config::check_value(*field, choice);
    if (honoured && choice != clause.value && choice != field->default_value) return choice;
  }
  return field->default_value;
}

void set(json& nested, const std::string& dotted, const json& value) {
  const std::size_t dot = dotted.find('.');
  if (dot == std::string::npos) {
    nested[dotted] = value;
  } else {
    nested[dotted.substr(0, dot)][dotted.substr(dot + 1)] = value;
  }
}

}  // namespace

std::vector<json> illegal_values(const Field& field) {
  std::vector<json> values = wrong_inside(field);
  for (const json& value :
       {json(true), json(3), json("text"), json::array({"a"}), json({{"a", "b"}})}) {
    if (!takes(field.type, value)) values.push_back(value);
  }
  if (field.type == FieldType::integer) add_beyond_bounds(field, 1, values);
  if (field.type == FieldType::number) add_beyond_bounds(field, 1e-3, values);
  return values;
}

json least_config() { return {{"model", {{"path", "/model"}}}, {"data", {{"path", "/data"}}}}; }

json config_with(const Field& field, const json& value) {
  json nested = least_config();
  if (!field.active_when.empty()) {
    for (const config::Clause& clause : config::parse_condition(field.active_when)) {
      const json wanted = satisfying(clause);
      const bool honoured = !config::check_value(*config::find_field(clause.field), wanted);
      if (honoured) set(nested, clause.field, wanted);
    }
  }
  if (nested.contains("vae") && nested["vae"].value("mode", "") == "full") nested["job"] = "vae";
  if (field.active_when.find("data.flip") != std::string_view::npos) {
    nested["data"]["range_axis"] = "rows";
  }
  set(nested, std::string(field.name), value);
  return nested;
}

}  // namespace sarsweep::tests
