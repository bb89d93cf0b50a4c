#pragma once

#include <string>

namespace sarsweep::sweep {

enum class Produced { yes, judged, never };

// Whether a run logs the metric; `judged`: one that names a CLIP judge (eval.clip), or trains one.
Produced produced(const std::string& metric);

// A produced metric within edit distance 3, or empty.
std::string nearest_metric(const std::string& metric);

}  // namespace sarsweep::sweep
