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
  std::vector<std::string> warnings;     // of reading the pictures; the result repeats them
  int threads = 1;                       // the result does not depend on them
};

// The result document (docs/evaluation.md names every key). What cannot be computed is null, with a
// warning where that is unexpected: a side without any unsaturated pixel, pictures without a window
// inside their mask, a judge without embeddings. Throws Error(invalid): no pairs, unequal counts, a
// picture with non-finite or negative samples, a protocol value no metric can honour; and as
// MaskFiles and rank_captions do.
nlohmann::json evaluate(const EvaluationInput& input);

// The protocol's hash, which also covers the evaluation images and captions (`data_digest`:
// items_digest of trainer/core/data/dataset.h), the files that `masks` names and this code's metric
// version. The keys "name" and "hash" are left out. Throws as MaskFiles does.
std::string protocol_hash(const nlohmann::json& protocol, const std::string& data_digest,
                          int resolution);

// What can be known to be wrong with a protocol before any picture exists. Throws Error(invalid) or
// Error(not_found) with the field eval.<key>.
void check_protocol(const nlohmann::json& protocol);

// The protocol's `stretch` (and `stretch_scope`, "dataset" where absent) measured on these images.
// Inside a run prefer measured_stretch (dataset.h) with the protocol's stretch: then a run trained
// with that same stretch saturates at the same amplitude on both sides.
Stretch protocol_stretch(const nlohmann::json& protocol,
                         const std::vector<const AmplitudeImage*>& images);

}  // namespace sarsweep::trainer
