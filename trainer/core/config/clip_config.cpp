// transformers' documents of a CLIP model, read and written, and the presets.
#include "trainer/core/config/clip_config.h"

#include <fmt/format.h>

#include "schema/base/error.h"
#include "trainer/core/config/clip_tower.h"
#include "trainer/core/config/config_reader.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr int kBicubic = 3;          // Pillow's number
constexpr int kPoolsGreatestId = 2;  // as transformers' eos_token_id

// What transformers assumes where a key is absent: it writes no default. `document` may say it
// twice; then the older "<part>_dict" wins.
json complete_part(const json& document, const std::string& part, json defaults) {
  for (const std::string& key : {part, part + "_dict"}) {
    const auto found = document.find(key);
    if (found == document.end() || found->is_null()) continue;
    if (!found->is_object()) {
      throw Error(ErrorCode::invalid,
                  fmt::format("CLIP configuration: {} is no object (got {})", key, found->dump()));
    }
    defaults.update(*found);
  }
  return defaults;
}

ClipVisionConfig parse_vision(const json& document, int projection_dim) {
  const ConfigReader reader(document, "image tower");
  reader.require_fixed({{"num_channels", 3, 3}, {"attention_dropout", 0.0, 0.0}});
  ClipVisionConfig config;
  read_clip_tower(reader, config);
  config.image_size = reader.integer("image_size");
  config.patch_size = reader.integer("patch_size");
  config.projection_dim = projection_dim;
  if (config.image_size < config.patch_size) {
    reader.refuse(fmt::format("image_size {} is less than patch_size {}", config.image_size,
                              config.patch_size));
  }
  return config;
}

// 224, [224, 224], {"shortest_edge": 224} or {"height": 224, "width": 224}: whether it is `side`.
bool is_side(const json& value, int side) {
  if (value.is_null() || value == side) return true;
  if (!value.is_structured() || value.empty()) return false;
  for (const json& part : value) {
    if (part != side) return false;
  }
  return true;
}

void require_preprocessing(const json& document, int side) {
  const ConfigReader reader(document, "CLIP preprocessor");
  reader.require_fixed({{"do_resize", true, true},
                        {"do_center_crop", true, true},
                        {"do_rescale", true, true},
                        {"do_normalize", true, true},
                        {"resample", kBicubic, kBicubic}});
  for (const char* key : {"size", "crop_size"}) {
    if (is_side(document.value(key, json()), side)) continue;
    reader.refuse(fmt::format("{} is {}; only the image_size {} of the image tower is supported",
                              key, document[key].dump(), side));
  }
}

void read_channels(const json& document, const char* key, std::array<double, 3>& target) {
  const json value = document.value(key, json());
  if (value.is_null()) return;
  const bool usable = value.is_array() && value.size() == 3 && value[0].is_number() &&
                      value[1].is_number() && value[2].is_number();
  if (!usable) {
    throw Error(
        ErrorCode::invalid,
        fmt::format("CLIP preprocessor: {} must be three numbers (got {})", key, value.dump()));
  }
  value.get_to(target);
}

json text_document(const ClipTextConfig& text) {
  json document = clip_tower_document(text);
  document.update({{"max_position_embeddings", text.max_position_embeddings},
                   {"vocab_size", text.vocab_size},
                   {"bos_token_id", text.eos_token_id - 1},
                   {"eos_token_id", text.pools_greatest_id ? kPoolsGreatestId : text.eos_token_id},
                   {"model_type", "clip_text_model"}});
  return document;
}

json vision_document(const ClipVisionConfig& vision) {
  json document = clip_tower_document(vision);
  document.update({{"image_size", vision.image_size},
                   {"patch_size", vision.patch_size},
                   {"model_type", "clip_vision_model"}});
  return document;
}

}  // namespace

ClipConfig parse_clip_config(const json& document, const json& preprocessor) {
  const ConfigReader reader(document, "CLIP");
  reader.require_fixed({{"model_type", "clip", "clip"}});
  const int projection = reader.integer_or("projection_dim", 512);
  json text = complete_part(document, "text_config",
                            {{"hidden_size", 512},
                             {"intermediate_size", 2048},
                             {"num_hidden_layers", 12},
                             {"num_attention_heads", 8}});
  text["projection_dim"] = projection;
  const json vision = complete_part(document, "vision_config",
                                    {{"hidden_size", 768},
                                     {"intermediate_size", 3072},
                                     {"num_hidden_layers", 12},
                                     {"num_attention_heads", 12},
                                     {"image_size", 224},
                                     {"patch_size", 32}});
  ClipConfig config;
  config.text = parse_clip_text_config(text, /*with_projection=*/true);
  config.vision = parse_vision(vision, projection);
  config.initial_logit_scale =
      reader.positive_or("logit_scale_init_value", config.initial_logit_scale);
  if (preprocessor.is_null()) return config;
  require_preprocessing(preprocessor, config.vision.image_size);
  read_channels(preprocessor, "image_mean", config.normalisation.mean);
  read_channels(preprocessor, "image_std", config.normalisation.std);
  return config;
}

json clip_config_document(const ClipConfig& config) {
  return {{"architectures", {"CLIPModel"}},
          {"model_type", "clip"},
          {"projection_dim", config.vision.projection_dim},
          {"logit_scale_init_value", config.initial_logit_scale},
          {"text_config", text_document(config.text)},
          {"vision_config", vision_document(config.vision)}};
}

json clip_preprocessor_document(const ClipConfig& config) {
  const int side = config.vision.image_size;
  return {{"image_processor_type", "CLIPImageProcessor"},
          {"do_convert_rgb", true},
          {"do_resize", true},
          {"size", {{"shortest_edge", side}}},
          {"resample", kBicubic},
          {"do_center_crop", true},
          {"crop_size", {{"height", side}, {"width", side}}},
          {"do_rescale", true},
          {"do_normalize", true},
          {"image_mean", config.normalisation.mean},
          {"image_std", config.normalisation.std}};
}

// Widths that differ wherever CLIP's do.
ClipConfig clip_preset(const std::string& name) {
  const bool tiny = name == "clip-tiny";
  if (!tiny && name != "clip-small") {
    throw Error(ErrorCode::invalid,
                fmt::format("no CLIP preset is named '{}'; use clip-tiny or clip-small", name));
  }
  ClipConfig config;
  ClipVisionConfig& vision = config.vision;
  ClipTextConfig& text = config.text;
  vision.hidden_size = tiny ? 96 : 256;
  vision.num_hidden_layers = tiny ? 3 : 6;
  vision.num_attention_heads = tiny ? 3 : 4;
  vision.intermediate_size = tiny ? 320 : 1024;
  vision.image_size = tiny ? 64 : 128;
  vision.patch_size = tiny ? 8 : 16;
  text.hidden_size = tiny ? 64 : 192;
  text.num_hidden_layers = tiny ? 2 : 4;
  text.num_attention_heads = tiny ? 2 : 6;
  text.intermediate_size = tiny ? 256 : 768;
  text.hidden_act = vision.hidden_act = tiny ? "quick_gelu" : "gelu";
  text.projection_dim = vision.projection_dim = tiny ? 48 : 160;
  text.json = text_document(text);
  return config;
}

}  // namespace sarsweep::trainer
