#pragma once

#include <string>

namespace sarsweep::sweep {

enum class Produced { yes, later, never };

// Whether a run of this version logs the metric; `later` is part of the protocol but null for now.
Produced produced(const std::string& metric);

// A produced metric within edit distance 3, or empty.
std::string nearest_metric(const std::string& metric);

}  // namespace sarsweep::sweep
