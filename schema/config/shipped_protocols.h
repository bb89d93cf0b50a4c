#pragma once

#include <map>
#include <string>

#include <nlohmann/json.hpp>

namespace sarsweep::config {

// The evaluation protocols of schema/config/protocols/ by name, values in the canonical form of the
// field eval.<key>. The coordinator resolves a run's protocol from them, the trainer judges two
// folders by them: there is no other copy.
const std::map<std::string, nlohmann::json>& shipped_protocols();

// A protocol file: lines `key: value` and comments, each value a JSON value or a bare word, which
// is YAML too. `name` is what the Error(internal) for anything else names.
nlohmann::json parse_protocol_file(const std::string& text, const std::string& name);

}  // namespace sarsweep::config
