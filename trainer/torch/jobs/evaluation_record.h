#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "trainer/torch/jobs/run_context.h"

namespace sarsweep::trainer {

// Writes <prefix>/step-…/result.json and tells it: its warnings, a `metrics` event with its numbers
// as flat_metrics has them, then an `eval` event. `result`: with "protocol_hash".
void record_evaluation(RunContext& run, const std::string& prefix, long step,
                       const nlohmann::json& result);

}  // namespace sarsweep::trainer
