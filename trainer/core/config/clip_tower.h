#pragma once

#include <nlohmann/json.hpp>

#include "trainer/core/config/config_reader.h"
#include "trainer/core/config/model_config.h"

namespace sarsweep::trainer {

// The keys that both towers have in transformers' documents, all but projection_dim. Throws
// Error(invalid) for an activation or a number of heads that this program does not compute.
void read_clip_tower(const ConfigReader& reader, ClipTowerConfig& tower);
// The inverse, projection_dim included.
nlohmann::json clip_tower_document(const ClipTowerConfig& tower);

}  // namespace sarsweep::trainer
