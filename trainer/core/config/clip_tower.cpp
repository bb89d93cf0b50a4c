#include "trainer/core/config/clip_tower.h"

#include <fmt/format.h>

namespace sarsweep::trainer {

void read_clip_tower(const ConfigReader& reader, ClipTowerConfig& tower) {
  tower.hidden_size = reader.integer("hidden_size");
  tower.num_hidden_layers = reader.integer("num_hidden_layers");
  tower.num_attention_heads = reader.integer("num_attention_heads");
  tower.intermediate_size = reader.integer("intermediate_size");
  tower.hidden_act = reader.text_or("hidden_act", tower.hidden_act);
  tower.layer_norm_eps = reader.positive_or("layer_norm_eps", tower.layer_norm_eps);
  if (tower.hidden_act != "quick_gelu" && tower.hidden_act != "gelu") {
    reader.refuse(fmt::format("hidden_act '{}' is not supported, only quick_gelu and gelu",
                              tower.hidden_act));
  }
  if (tower.hidden_size % tower.num_attention_heads != 0) {
    reader.refuse(fmt::format("hidden_size {} is no multiple of num_attention_heads {}",
                              tower.hidden_size, tower.num_attention_heads));
  }
}

nlohmann::json clip_tower_document(const ClipTowerConfig& tower) {
  return {{"hidden_size", tower.hidden_size},
          {"intermediate_size", tower.intermediate_size},
          {"num_hidden_layers", tower.num_hidden_layers},
          {"num_attention_heads", tower.num_attention_heads},
          {"hidden_act", tower.hidden_act},
          {"layer_norm_eps", tower.layer_norm_eps},
          {"projection_dim", tower.projection_dim}};
}

}  // namespace sarsweep::trainer
