#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/leaderboard.h"

namespace sarsweep::coordinator {

struct DiffQuery {
  std::string a, b;  // a cell (or sweep/cell), or what selects one run
};

// The published `diff` document: b compared with a, by the numbers of the leaderboard. Throws
// Error(not_found) with the candidates, Error(invalid) for a name of several cells.
LeaderboardView diff_view(Connection& connection, const DiffQuery& query, const Ask& ask);
Board diff_board(Connection& connection, const DiffQuery& query);

}  // namespace sarsweep::coordinator
