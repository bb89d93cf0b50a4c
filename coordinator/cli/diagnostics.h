#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/protocol/messages.h"

namespace sarsweep::cli {

// Remarks on a sweep file as compilers print them: place, severity, message; where a line is known,
// the line with the offending characters underlined and the proposal beside them.
std::string render(const Diagnostic& diagnostic, bool color);

// "plan: 2 errors, 0 warnings" and, where there are errors, "; nothing submitted".
std::string closing_line(const std::vector<Diagnostic>& diagnostics);

// The `diagnostics` of a plan or of a refused submit; keys this version does not know are ignored.
std::vector<Diagnostic> diagnostics_of(const nlohmann::json& document);
bool has_errors(const std::vector<Diagnostic>& diagnostics);

}  // namespace sarsweep::cli
