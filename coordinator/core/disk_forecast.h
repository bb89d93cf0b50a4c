#pragma once

#include <cstdint>

#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

struct DiskForecast {
  std::int64_t runs = 0;     // that have not ended
  std::int64_t bytes = 0;    // that they add at most, those of `unknown` left out
  std::int64_t unknown = 0;  // of which nothing like them has saved a checkpoint yet
};

// What checkpoints the runs that have not ended will still add to the store: each keeps up to
// keep_last + keep_best, no more than it writes, of the size of its own largest, else of the
// largest of its study, else of its sweep.
DiskForecast forecast_checkpoints(Connection& connection);

}  // namespace sarsweep::coordinator
