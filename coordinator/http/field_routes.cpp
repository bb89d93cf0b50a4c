#include "coordinator/http/routes.h"
#include "schema/base/error.h"
#include "schema/config/fields.h"

namespace sarsweep::coordinator {
namespace {

nlohmann::json document(const config::Field& field) {
  nlohmann::json shown = field.default_value;
  if (!field.default_text.empty()) shown = field.default_text;
  return {{"name", field.name},
          {"type", to_string(field.type)},
          {"default", shown},
          {"class", to_string(field.field_class)},
          {"choices", field.choices},
          {"low", field.low ? nlohmann::json(*field.low) : nlohmann::json()},
          {"high", field.high ? nlohmann::json(*field.high) : nlohmann::json()},
          {"unit", field.unit},
          {"help", field.help},
          {"supported", field.supported},
          {"supported_choices", field.supported_choices}};
}

Reply explain(const Call& call) {
  const std::string wanted = call.param("field");
  nlohmann::json found = nlohmann::json::array();
  for (const config::Field& field : config::fields()) {
    const bool under = field.name.starts_with(wanted + ".");
    if (wanted.empty() || field.name == wanted || under) found.push_back(document(field));
  }
  if (found.empty()) {
    const std::string near = config::nearest_field(wanted);
    throw Error(ErrorCode::not_found, "no field '" + wanted + "'" +
                                          (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
  return Reply::of(found);
}

}  // namespace

std::vector<Route> field_routes(const RouteContext&) {
  return {{"GET", "/api/v1/fields", Role::viewer, Listener::control, {"field"}, 0, explain}};
}

}  // namespace sarsweep::coordinator
