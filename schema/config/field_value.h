#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace sarsweep::config {

// "the text 'abc'", "the number 3", "a list": a value as an error message names it.
std::string describe(const nlohmann::json& value);

// A value as a person would type it: text without quotes, the shortest number that reads back.
std::string display(const nlohmann::json& value);

}  // namespace sarsweep::config
