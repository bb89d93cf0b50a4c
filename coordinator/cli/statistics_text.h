#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/cli/session.h"

// How the leaderboard's numbers are written for people.
namespace sarsweep::cli {

// "0.331 ± 0.041": half the interval's width with two digits, and the value with as many decimals.
// "0.179 [0.005, 0.132]" where the value lies off the middle by more than an eighth of the
// interval, as near a metric's floor. Without an interval the value with four digits; "-" for null.
std::string with_error(const nlohmann::json& value, const nlohmann::json& low,
                       const nlohmann::json& high);
// Of {delta, delta_low, delta_high, p_holm, power_n, power_seeds}: the difference with stars after
// Holm, or with what would tell: "-0.0120 ± 0.0310 (n 1270)", "(5 seeds)".
std::string difference_text(const nlohmann::json& metric);
// "***" at 0.001, "**" at 0.01, "*" at 0.05; empty above, and for null.
std::string stars(const nlohmann::json& p_holm);
// "1-3" or "2"; "-" for null.
std::string rank_text(const nlohmann::json& row);
// What the marks mean, a line.
std::string legend();

// A table in one of the formats for papers; cells are escaped. The first row of `cells` is the
// heading.
std::string markdown_table(const std::vector<std::vector<std::string>>& cells);
std::string latex_table(const std::vector<std::vector<std::string>>& cells);
// In the session's format: as for people, markdown or latex.
std::string table_text(const Session& session, const std::vector<std::vector<std::string>>& cells,
                       const std::vector<bool>& numeric);

// GET until nothing is `computing` any more, which is said where it takes longer.
nlohmann::json get_computed(Session& session, const std::string& path, const client::Query& query);

}  // namespace sarsweep::cli
