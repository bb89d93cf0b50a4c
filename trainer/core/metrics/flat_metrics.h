#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace sarsweep::trainer {

// The result document as curves and leaderboards know it: {"<prefix>/<key>": number} of every
// number at its top level and of its small tables: autocorrelation_real_1, enl_real_intensity,
// floor_kl_pooled, vae_pass_kl_pooled, …; clip_rank is expected_mean, cosine and cosine_real are
// means over the pairs. What is null is absent.
nlohmann::json flat_metrics(const nlohmann::json& result, const std::string& prefix);

}  // namespace sarsweep::trainer
