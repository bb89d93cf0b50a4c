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

// The query of GET /api/v1/runs; what is empty narrows nothing.
client::Query query_of(const std::string& selector, const std::string& state,
                       const std::string& where);
void narrow(client::Query& query, const char* key, const std::string& value);

// All pages of GET /api/v1/runs.
std::vector<nlohmann::json> fetch_runs(Session& session, const client::Query& query);

// "@radar" names a sweep in selectors; commands that want a sweep take "radar" and "@radar".
std::string sweep_name(const std::string& argument);

}  // namespace sarsweep::cli
