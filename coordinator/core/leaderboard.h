#pragma once

#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/board_statistics.h"
#include "coordinator/core/statistician.h"
#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

struct BoardQuery {
  std::string sweep;
  std::string baseline;  // a cell that all are compared with; empty: each study's own
};

// What the statistics of the query are computed of. Throws Error(not_found): sweep, baseline.
Board board_of(Connection& connection, const BoardQuery& query);

struct LeaderboardView {
  nlohmann::json document;  // as published
  Statistician::Question question;
  bool current = false;  // the statistics are of this very board
};

// What the statistician knows, as Statistician::look.
using Ask = std::function<Statistician::Answer(const Statistician::Question&)>;

// Throws Error(not_found): sweep, baseline.
LeaderboardView leaderboard_view(Connection& connection, const BoardQuery& query, const Ask& ask);

}  // namespace sarsweep::coordinator
