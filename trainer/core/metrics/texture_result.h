#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/picture_measures.h"

namespace sarsweep::trainer {

// Puts glcm, glcm_256, glcm_offsets, glcm_distance, glcm_windows and mask_source into `result`, and
// glcm, glcm_real and glcm_values into its `images`, which hold a row per pair. Warns of pictures
// that could not be measured.
void add_texture_metrics(const std::vector<MeasuredPair>& pairs, const MetricRules& rules,
                         nlohmann::json& result);

}  // namespace sarsweep::trainer
