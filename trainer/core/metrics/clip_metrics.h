#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/evaluation.h"
#include "trainer/core/metrics/metric_rules.h"

namespace sarsweep::trainer {

// Puts clip_judge, clip_rank, clip_rank_per_label, cosine and cosine_mean into `result`, and
// rank_strict, rank_mid and cosine into its `images`, which hold a row per pair: numbers where
// there are embeddings, else null, with one warning where the protocol names a judge.
void add_clip_metrics(const EvaluationInput& input, const MetricRules& rules,
                      nlohmann::json& result);

}  // namespace sarsweep::trainer
