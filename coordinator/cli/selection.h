#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/cli/commands.h"

namespace sarsweep::cli {

// The runs that are chosen, each once, in submit order within a selector. Throws Error(not_found),
// with the candidates for a selector that names none.
std::vector<nlohmann::json> select_runs(Session& session, const Selection& selection);

// The one run that `selector` names. Throws Error(invalid) where it names several.
nlohmann::json select_run(Session& session, const std::string& selector);

// All pages of GET /api/v1/runs.
std::vector<nlohmann::json> fetch_runs(Session& session, const client::Query& query);

// "@radar" names a sweep in selectors; commands that want a sweep take "radar" and "@radar".
std::string sweep_name(const std::string& argument);

}  // namespace sarsweep::cli
