#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/core/amplitude.h"

namespace sarsweep::trainer {

// One real image and the picture generated for its caption; both linear amplitude.
struct EvaluationPair {
  std::string file_name, label;
  std::int64_t seed = 0;
  AmplitudeImage real, generated;
};

struct EvaluationInput {
  std::vector<EvaluationPair> pairs;
  std::vector<AmplitudeImage> vae_pass;  // the real images through the run's own VAE; may be empty
  Stretch stretch;                       // the protocol's amplitude domain, for both sides
  nlohmann::json protocol;               // resolved block with "hash"
};

// The result document (docs/evaluation.md): n, labels, kl_pooled, kl_label_mean, kl_per_label,
// jsd_pooled, wasserstein1_pooled, saturation_real, saturation_generated, floor{…}, images[…],
// autocorrelation_real{"1","4"}, autocorrelation_generated, vae_pass{kl_pooled, autocorrelation}.
// Metrics this version does not compute are null. Warnings (labels under 10, …) in "warnings".
nlohmann::json evaluate(const EvaluationInput& input);

// The protocol's hash, which also covers the evaluation images and captions.
std::string protocol_hash(const nlohmann::json& protocol, const std::string& data_digest,
                          int resolution);

}  // namespace sarsweep::trainer
