#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "schema/config/fields.h"

namespace sarsweep::tests {

// Values that no run may have in this field: of every wrong type, beyond each bound, outside the
// choices. Null is none of them: it means the default.
std::vector<nlohmann::json> illegal_values(const config::Field& field);

// The nested config of a run that names its data and nothing else.
nlohmann::json least_config();

// The same with `field` set, and active where this version honours what makes it so.
nlohmann::json config_with(const config::Field& field, const nlohmann::json& value);

}  // namespace sarsweep::tests
