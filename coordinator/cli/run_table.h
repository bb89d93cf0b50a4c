#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace sarsweep::cli {

// Runs as `ls` and `watch` show them.
std::string run_table(const std::vector<nlohmann::json>& runs);

}  // namespace sarsweep::cli
