#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace sarsweep::sweep {

// The value of a plain (unquoted) YAML scalar: null (also ~ and nothing), true, false, a decimal
// number, else text. 1e-5 is a number; no, 010, 0x10, 1_000 and .inf stay text, so that a field
// that wants something else can refuse them by name.
nlohmann::json typed_scalar(const std::string& plain);

}  // namespace sarsweep::sweep
