#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/sweep/best_ref.h"
#include "coordinator/sweep/setting.h"

namespace sarsweep::sweep {

struct CellParent {
  std::string sweep, cell;           // as the file names them, the sweep filled in
  std::optional<std::int64_t> seed;  // the name said -sN
  std::string checkpoint;
  std::optional<BestRef> best;  // chosen when a study has ended; there is no `cell` then
  bool outside = false;         // lies in another sweep
  std::size_t index = 0;        // of the cell, once found in this sweep
  bool found = false;
  Place place;
};

// One configuration of the plan; its seeds make the runs.
struct Cell {
  std::size_t study = 0;  // index in SweepFile::studies
  std::string name;       // empty until it is known
  Place place;
  Row row;    // everything the file and --set give
  Layer own;  // what its own line or axis values set
  std::vector<std::int64_t> seeds;
  std::optional<std::int64_t> parent_rank;  // where the row starts from several best parents
  bool inherits_seeds = false;              // those of its parent, once that is known

  config::RunValues config;  // active, defaults filled in
  std::optional<CellParent> parent;
  std::string cell_hash, judge_hash;
  std::string label;
  nlohmann::json axes = nlohmann::json::object();
};

}  // namespace sarsweep::sweep
