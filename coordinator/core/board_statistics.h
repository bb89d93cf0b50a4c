#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/core/result_numbers.h"
#include "coordinator/stats/cell.h"
#include "coordinator/stats/ranks.h"

namespace sarsweep::coordinator {

// A finished run, as its leaderboard's statistics see it.
struct BoardRun {
  std::int64_t seed = 0;
  std::string result;                    // digest of its result document; empty: none
  std::map<std::string, double> values;  // by metric; absent where there is no number
  bool operator==(const BoardRun&) const = default;
};

struct BoardCell {
  std::string name, study, protocol;
  std::vector<BoardRun> runs;
  std::string baseline;  // the cell that this one is compared with; itself: with none
  bool ranked = false;
  bool operator==(const BoardCell&) const = default;
};

// Equal boards have equal statistics, for ever.
struct Board {
  std::vector<std::string> metrics;  // the objective in front
  bool maximize = false;
  bool per_label = false;  // also the divergences of the labels: eval/kl_per_label/NAME
  std::vector<BoardCell> cells;
  bool operator==(const Board&) const = default;
};

struct MetricNumbers {
  stats::Estimate estimate;
  std::optional<stats::Comparison> comparison;  // with the baseline
};

// What hangs on a cell and its baseline alone.
struct CellNumbers {
  std::map<std::string, MetricNumbers> metrics;  // of which every run has a value
  std::map<std::string, double> floor;           // by metric
  stats::Contender contender;                    // of a ranked cell
};

struct CellStatistics {
  std::shared_ptr<const CellNumbers> numbers;  // nullptr: not yet
  std::optional<stats::Rank> rank;             // nullopt: not ranked, or not yet
  std::map<std::string, double> p_holm;        // by metric: over the study's comparisons
};

struct BoardStatistics {
  Board board;
  std::vector<CellStatistics> cells;  // as board.cells
  bool complete = false;              // else cells lack numbers, and nothing is ranked or adjusted
};

// Takes what did not change from `previous`, if there is one, complete or not. Reads results
// through the cache: 0.1 s for a run that is not at hand. Once `enough` says so, no further cell is
// begun; at least one is made each time.
BoardStatistics board_statistics(Board board, const BoardStatistics* previous, ResultCache& results,
                                 const std::function<bool()>& enough);

}  // namespace sarsweep::coordinator
