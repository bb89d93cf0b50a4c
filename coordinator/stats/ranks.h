#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "coordinator/stats/noise.h"

namespace sarsweep::stats {

// A cell that is ranked: by the mean over its seeds.
struct Contender {
  double mean = 0;
  std::vector<std::int64_t> seeds;  // ascending
  Seeds runs;                       // in the order of `seeds`
};

using Contenders = std::vector<std::reference_wrapper<const Contender>>;

struct Rank {
  std::size_t rank = 0;  // from 1 on
  // nullopt where the noise of some contender is not known: then `rank` is the place in the order.
  std::optional<std::size_t> low, high;
};

// One cell is surely better than another if their difference is significant at 5 % after
// Bonferroni over the n - 1 comparisons of a cell. `low` is 1 + the cells that are surely better,
// and `high` is n - those that are surely worse: together a 95 % confidence interval of the cell's
// rank (Mogstad, Romano, Shaikh and Wilhelm, 2024). The rank is `low`, so that cells tie and share
// it which nothing tells apart from better ones: the best, and all that may be as good, are 1.
// Differences are paired by image; by seed where both have the same seeds.
std::vector<Rank> ranks(const Contenders& contenders, bool maximize);

}  // namespace sarsweep::stats
