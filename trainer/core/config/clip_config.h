#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/config/model_config.h"

namespace sarsweep::trainer {

// The greatest logit_scale of training: beyond it logits of 100 times a cosine only grow noise.
inline constexpr double kGreatestLogitScale = 4.605170185988092;  // ln 100

struct ClipVisionConfig : ClipTowerConfig {
  int image_size = 224, patch_size = 32;  // pixels; square

  int patches() const { return (image_size / patch_size) * (image_size / patch_size); }
};

// How a picture in [0,1] becomes what the image tower sees: (x - mean) / std, by channel.
struct ClipNormalisation {
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> std = {0.26862954, 0.26130258, 0.27577711};
  bool operator==(const ClipNormalisation&) const = default;
};

// A CLIP model (arXiv 2103.00020) with a vision transformer.
struct ClipConfig {
  ClipTextConfig text;
  ClipVisionConfig vision;
  double initial_logit_scale = 2.6592;  // ln(1/0.07)
  ClipNormalisation normalisation;
};

// As transformers describes it. `config`: config.json of a CLIPModel, whose absent keys have
// transformers' defaults. `preprocessor`: preprocessor_config.json; null where there is none.
// Throws Error(invalid) naming the key that this program does not compute, such as another way than
// a bicubic resize to image_size and a central crop.
ClipConfig parse_clip_config(const nlohmann::json& config, const nlohmann::json& preprocessor);
// The inverse: the documents of a folder.
nlohmann::json clip_config_document(const ClipConfig& config);
nlohmann::json clip_preprocessor_document(const ClipConfig& config);

// "clip-tiny" (64² pictures), "clip-small" (128²). Throws Error(invalid) for another name.
ClipConfig clip_preset(const std::string& name);

// As open_clip describes it: {"model_cfg", "preprocess_cfg"}, or the model_cfg alone. Throws
// Error(invalid) as parse_clip_config does.
ClipConfig parse_open_clip_config(const nlohmann::json& document);
// Of the tensors alone: the shape of each by open_clip's name, nullopt where there is none. Heads
// are 64 wide and the activation is the exact GELU, as in open_clip where nothing else is said.
using ShapeOf = std::function<std::optional<std::vector<std::int64_t>>(const std::string&)>;
ClipConfig clip_config_of_shapes(const ShapeOf& shape_of);

}  // namespace sarsweep::trainer
