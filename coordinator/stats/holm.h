#pragma once

#include <vector>

namespace sarsweep::stats {

// The p of one family of comparisons, adjusted by Holm's step-down method (1979), in their order:
// those of at most alpha are significant with at most alpha of a single false one among them. Pure.
std::vector<double> holm(const std::vector<double>& p);

}  // namespace sarsweep::stats
