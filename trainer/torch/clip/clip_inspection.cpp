#include "trainer/torch/clip/clip_inspection.h"

#include <cstdint>

#include "trainer/torch/clip/clip_files.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::int64_t parameters_of(const Component& component) {
  std::int64_t count = 0;
  for (const auto& [name, tensor] : component.parameters()) count += tensor.numel();
  return count;
}

}  // namespace

json inspect_clip(const fs::path& path) {
  const ClipPlace place = find_clip(path).value();
  const ClipConfig config = read_clip_config(place);
  const std::int64_t image = parameters_of(ClipVision(config.vision, at::kMeta));
  const std::int64_t text = parameters_of(ClipText(config.text, at::kMeta));
  return {
      {"path", path.string()},
      {"kind", place.format == ClipFormat::open_clip ? "open_clip weights" : "CLIP folder"},
      {"dtype", to_string(stored_dtype(place))},
      {"image_size", config.vision.image_size},
      {"normalisation", {{"mean", config.normalisation.mean}, {"std", config.normalisation.std}}},
      {"projection", config.vision.projection_dim},
      {"parameters", image + text + 1},
      {"towers",
       {{"image",
         {{"layers", config.vision.num_hidden_layers},
          {"width", config.vision.hidden_size},
          {"heads", config.vision.num_attention_heads},
          {"activation", config.vision.hidden_act},
          {"patch_size", config.vision.patch_size},
          {"parameters", image}}},
        {"text",
         {{"layers", config.text.num_hidden_layers},
          {"width", config.text.hidden_size},
          {"heads", config.text.num_attention_heads},
          {"activation", config.text.hidden_act},
          {"context", config.text.max_position_embeddings},
          {"parameters", text}}}}}};
}

}  // namespace sarsweep::trainer
