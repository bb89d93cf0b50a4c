#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/images/amplitude.h"
#include "trainer/core/metrics/clip_rank.h"

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
  std::optional<ClipEmbeddings> clip;    // of the protocol's judge, where it names one
};

// The result document (docs/evaluation.md): n, labels, kl_pooled, kl_label_mean, kl_per_label,
// jsd_pooled, wasserstein1_pooled, saturation_real, saturation_generated, floor{…}, images[…],
// autocorrelation_real{"1","4"}, autocorrelation_generated, vae_pass{kl_pooled, autocorrelation}.
// Metrics this version does not compute are null. Warnings (labels under 10, …) in "warnings".
// A value that cannot be computed (a side without any unsaturated pixel) is null with a warning.
// Throws Error(invalid): no pairs, unequal counts, a picture with non-finite or negative samples.
nlohmann::json evaluate(const EvaluationInput& input);

// The protocol's hash, which also covers the evaluation images and captions (`data_digest`:
// items_digest of trainer/core/data/dataset.h) and this code's metric version. The keys "name" and
// "hash" are left out.
std::string protocol_hash(const nlohmann::json& protocol, const std::string& data_digest,
                          int resolution);

// The protocol `sar-v1` as far as metrics need it: what an evaluation of two folders uses by
// itself.
nlohmann::json default_protocol();

// The protocol's `stretch` (and `stretch_scope`, "dataset" where absent) measured on these images.
// Inside a run prefer measured_stretch (dataset.h) with the protocol's stretch: then a run trained
// with that same stretch saturates at the same amplitude on both sides.
Stretch protocol_stretch(const nlohmann::json& protocol,
                         const std::vector<const AmplitudeImage*>& images);

}  // namespace sarsweep::trainer
