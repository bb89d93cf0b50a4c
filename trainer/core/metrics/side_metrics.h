#pragma once

#include <array>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/picture_measures.h"

namespace sarsweep::trainer {

// {"1": …, "4": …}: the mean over pictures, which are at least one.
nlohmann::json mean_autocorrelation(const std::vector<std::array<double, kLags.size()>>& pictures);

// Puts what is said of each side alone into `result`, means over its pictures: autocorrelation_*,
// enl_* {amplitude, intensity, images}, spectrum_*[], and spectrum_frequency[].
void add_side_metrics(const std::vector<MeasuredPair>& pairs, nlohmann::json& result);

}  // namespace sarsweep::trainer
