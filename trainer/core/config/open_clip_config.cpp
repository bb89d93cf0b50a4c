// open_clip's description of a CLIP model, by its configuration or by its tensors' shapes alone.
#include <fmt/format.h>

#include "schema/base/error.h"
#include "trainer/core/config/clip_config.h"
#include "trainer/core/config/config_reader.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using Shape = std::vector<std::int64_t>;

constexpr int kHeadWidth = 64;

// What both towers may have and this program does not compute.
const std::vector<FixedKey>& layer_keys() {
  static const std::vector<FixedKey> keys = {{"ls_init_value", nullptr, nullptr},
                                             {"final_ln_after_pool", false, false},
                                             {"act_kwargs", nullptr, nullptr},
                                             {"norm_kwargs", nullptr, nullptr},
                                             {"block_type", nullptr, nullptr},
                                             {"qk_norm", false, false},
                                             {"scaled_cosine_attn", false, false},
                                             {"scale_heads", false, false},
                                             {"scale_attn_inner", false, false},
                                             {"scale_attn", false, false},
                                             {"scale_fc", false, false}};
  return keys;
}

const json& part_of(const json& document, const char* key) {
  const auto found = document.find(key);
  if (found != document.end() && found->is_object()) return *found;
  throw Error(ErrorCode::invalid, fmt::format("open_clip configuration: {} is missing", key));
}

int mlp_width(const ConfigReader& reader, int width) {
  return static_cast<int>(width * reader.positive_or("mlp_ratio", 4));
}

json vision_document(const json& cfg, const std::string& activation) {
  const ConfigReader reader(cfg, "open_clip vision_cfg");
  reader.require_fixed(layer_keys());
  reader.require_fixed({{"timm_model_name", nullptr, nullptr},
                        {"attentional_pool", false, false},
                        {"no_ln_pre", false, false},
                        {"pos_embed_type", "learnable", "learnable"},
                        {"pool_type", "tok", "tok"}});
  const int width = reader.integer_or("width", 768);
  return {{"hidden_size", width},
          {"num_hidden_layers", reader.integer_or("layers", 12)},
          {"num_attention_heads", width / reader.integer_or("head_width", kHeadWidth)},
          {"intermediate_size", mlp_width(reader, width)},
          {"hidden_act", activation},
          {"image_size", reader.integer_or("image_size", 224)},
          {"patch_size", reader.integer_or("patch_size", 16)}};
}

// Pooled at the greatest id, which is the last word of the vocabulary.
json text_document(const json& cfg, const std::string& activation) {
  const ConfigReader reader(cfg, "open_clip text_cfg");
  reader.require_fixed(layer_keys());
  reader.require_fixed({{"hf_model_name", nullptr, nullptr},
                        {"embed_cls", false, false},
                        {"no_causal_mask", false, false},
                        {"pool_type", "argmax", "argmax"},
                        {"proj_type", "linear", "linear"},
                        {"proj_bias", false, false}});
  const int width = reader.integer_or("width", 512);
  const int words = reader.integer_or("vocab_size", 49408);
  return {{"hidden_size", width},
          {"num_hidden_layers", reader.integer_or("layers", 12)},
          {"num_attention_heads", reader.integer_or("heads", 8)},
          {"intermediate_size", mlp_width(reader, width)},
          {"hidden_act", activation},
          {"max_position_embeddings", reader.integer_or("context_length", 77)},
          {"vocab_size", words},
          {"eos_token_id", words - 1}};
}

// In the words of transformers.
json preprocessor_document(const json& cfg) {
  const ConfigReader reader(cfg, "open_clip preprocess_cfg");
  reader.require_fixed({{"mode", "RGB", "RGB"},
                        {"interpolation", "bicubic", "bicubic"},
                        {"resize_mode", "shortest", "shortest"}});
  json document = json::object();
  for (const auto& [from, to] : {std::pair("size", "size"), std::pair("mean", "image_mean"),
                                 std::pair("std", "image_std")}) {
    if (reader.has(from)) document[to] = cfg[from];
  }
  return document;
}

// The shapes that a configuration follows from.
class Shapes {
 public:
  explicit Shapes(const ShapeOf& shape_of) : shape_of_(shape_of) {}

  Shape need(const std::string& name, std::size_t dimensions) const {
    const std::optional<Shape> shape = shape_of_(name);
    if (shape && shape->size() == dimensions) return *shape;
    throw Error(ErrorCode::invalid,
                fmt::format("these are not the weights of an open_clip model with a vision "
                            "transformer: {} is {}",
                            name, shape ? "of another rank" : "missing"));
  }
  int layers(const std::string& blocks) const {
    int count = 0;
    while (shape_of_(fmt::format("{}.{}.ln_1.weight", blocks, count))) ++count;
    return count;
  }
  json tower(const std::string& blocks) const {
    const Shape inner = need(blocks + ".0.mlp.c_fc.weight", 2);
    if (inner[1] % kHeadWidth != 0) {
      throw Error(ErrorCode::invalid,
                  fmt::format("{} is {} wide, no multiple of {}: its number of heads is not known; "
                              "put an open_clip_config.json beside the file",
                              blocks, inner[1], kHeadWidth));
    }
    return {{"hidden_size", inner[1]},
            {"intermediate_size", inner[0]},
            {"num_hidden_layers", layers(blocks)},
            {"num_attention_heads", inner[1] / kHeadWidth},
            {"hidden_act", "gelu"}};
  }

 private:
  const ShapeOf& shape_of_;
};

int square_side(std::int64_t area) {
  int side = 0;
  while (std::int64_t{side} * side < area) ++side;
  return side;
}

}  // namespace

ClipConfig parse_open_clip_config(const json& document) {
  const bool whole = document.is_object() && document.contains("model_cfg");
  const json& model = whole ? part_of(document, "model_cfg") : document;
  const ConfigReader reader(model, "open_clip");
  reader.require_fixed(
      {{"multimodal_cfg", nullptr, nullptr}, {"init_logit_bias", nullptr, nullptr}});
  const json quick = model.value("quick_gelu", json(false));
  const std::string activation = quick == true ? "quick_gelu" : "gelu";
  const json config = {{"projection_dim", reader.integer("embed_dim")},
                       {"vision_config", vision_document(part_of(model, "vision_cfg"), activation)},
                       {"text_config", text_document(part_of(model, "text_cfg"), activation)}};
  const json preprocessing = whole ? document.value("preprocess_cfg", json()) : json();
  return parse_clip_config(config,
                           preprocessing.is_null() ? json() : preprocessor_document(preprocessing));
}

ClipConfig clip_config_of_shapes(const ShapeOf& shape_of) {
  const Shapes shapes(shape_of);
  const Shape patch = shapes.need("visual.conv1.weight", 4);
  const Shape places = shapes.need("visual.positional_embedding", 2);
  const Shape tokens = shapes.need("token_embedding.weight", 2);
  json vision = shapes.tower("visual.transformer.resblocks");
  vision["patch_size"] = patch[3];
  vision["image_size"] = patch[3] * square_side(places[0] - 1);
  json text = shapes.tower("transformer.resblocks");
  text["vocab_size"] = tokens[0];
  text["eos_token_id"] = tokens[0] - 1;
  text["max_position_embeddings"] = shapes.need("positional_embedding", 2)[0];
  return parse_clip_config({{"projection_dim", shapes.need("text_projection", 2)[1]},
                            {"vision_config", vision},
                            {"text_config", text}},
                           json());
}

}  // namespace sarsweep::trainer
