#include <fmt/format.h>

#include <array>
#include <vector>

#include "schema/base/error.h"
#include "trainer/core/config/model_config.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// The version whose folder layout and keys the documents follow.
constexpr const char* kDiffusersVersion = "0.42.1";

struct TextShape {
  int hidden, layers, heads, mlp;
};

// What differs between the presets; everything else is SDXL base 1.0's.
struct Preset {
  const char* name;
  int picture;  // pixels
  std::vector<int> unet_channels, heads, depths;
  int time_width, unet_groups;  // of one size number's embedding
  std::vector<int> vae_channels;
  int vae_groups;
  TextShape text, text_2;
  int projection;
};

const std::array<Preset, 3>& presets() {
  static const std::array<Preset, 3> all = {{
      {"tiny",
       128,
       {16, 32, 64},
       {1, 2, 4},
       {1, 2, 3},
       32,
       8,
       {16, 32, 64, 64},
       8,
       {32, 3, 2, 128},
       {64, 4, 4, 256},
       48},
      {"small",
       256,
       {64, 128, 256},
       {1, 2, 4},
       {1, 2, 4},
       64,
       32,
       {32, 64, 128, 128},
       32,
       {256, 4, 4, 1024},
       {384, 6, 6, 1536},
       384},
      {"sdxl",
       1024,
       {320, 640, 1280},
       {5, 10, 20},
       {1, 2, 10},
       256,
       32,
       {128, 256, 512, 512},
       32,
       {768, 12, 12, 3072},
       {1280, 32, 20, 5120},
       1280},
  }};
  return all;
}

const Preset& find_preset(const std::string& name) {
  for (const Preset& preset : presets()) {
    if (preset.name == name) return preset;
  }
  throw Error(ErrorCode::invalid,
              fmt::format("no preset is named '{}'; use tiny, small or sdxl", name));
}

json unet_document(const Preset& preset) {
  constexpr int kSizeNumbers = 6;  // height, width, top, left, target height, target width
  return {{"_class_name", "UNet2DConditionModel"},
          {"_diffusers_version", kDiffusersVersion},
          {"act_fn", "silu"},
          {"addition_embed_type", "text_time"},
          {"addition_time_embed_dim", preset.time_width},
          {"attention_head_dim", preset.heads},
          {"block_out_channels", preset.unet_channels},
          {"center_input_sample", false},
          {"conv_in_kernel", 3},
          {"conv_out_kernel", 3},
          {"cross_attention_dim", preset.text.hidden + preset.text_2.hidden},
          {"down_block_types", {"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"}},
          {"downsample_padding", 1},
          {"flip_sin_to_cos", true},
          {"freq_shift", 0},
          {"in_channels", 4},
          {"layers_per_block", 2},
          {"mid_block_scale_factor", 1},
          {"mid_block_type", "UNetMidBlock2DCrossAttn"},
          {"norm_eps", 1e-5},
          {"norm_num_groups", preset.unet_groups},
          {"out_channels", 4},
          {"projection_class_embeddings_input_dim",
           kSizeNumbers * preset.time_width + preset.projection},
          {"resnet_time_scale_shift", "default"},
          {"sample_size", preset.picture / 8},
          {"time_embedding_type", "positional"},
          {"transformer_layers_per_block", preset.depths},
          {"up_block_types", {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}},
          {"use_linear_projection", true}};
}

json vae_document(const Preset& preset) {
  const std::vector<std::string> down(preset.vae_channels.size(), "DownEncoderBlock2D");
  const std::vector<std::string> up(preset.vae_channels.size(), "UpDecoderBlock2D");
  return {{"_class_name", "AutoencoderKL"},
          {"_diffusers_version", kDiffusersVersion},
          {"act_fn", "silu"},
          {"block_out_channels", preset.vae_channels},
          {"down_block_types", down},
          {"force_upcast", true},
          {"in_channels", 3},
          {"latent_channels", 4},
          {"layers_per_block", 2},
          {"norm_num_groups", preset.vae_groups},
          {"out_channels", 3},
          {"sample_size", preset.picture},
          {"scaling_factor", 0.13025},
          {"up_block_types", up}};
}

// The true token ids, not the 0, 1, 2 of SDXL's files: with 49407 transformers, too, pools the
// first end-of-text token, also after tokens were added behind it.
json text_document(const TextShape& shape, const char* architecture, const char* activation,
                   int projection) {
  return {{"architectures", {architecture}},
          {"attention_dropout", 0.0},
          {"bos_token_id", 49406},
          {"eos_token_id", 49407},
          {"hidden_act", activation},
          {"hidden_size", shape.hidden},
          {"initializer_factor", 1.0},
          {"initializer_range", 0.02},
          {"intermediate_size", shape.mlp},
          {"layer_norm_eps", 1e-5},
          {"max_position_embeddings", 77},
          {"model_type", "clip_text_model"},
          {"num_attention_heads", shape.heads},
          {"num_hidden_layers", shape.layers},
          {"pad_token_id", 49407},
          {"projection_dim", projection},
          {"vocab_size", 49408}};
}

json scheduler_document() {
  return {{"_class_name", "EulerDiscreteScheduler"},
          {"_diffusers_version", kDiffusersVersion},
          {"beta_end", 0.012},
          {"beta_schedule", "scaled_linear"},
          {"beta_start", 0.00085},
          {"clip_sample", false},
          {"interpolation_type", "linear"},
          {"num_train_timesteps", 1000},
          {"prediction_type", "epsilon"},
          {"sample_max_value", 1.0},
          {"set_alpha_to_one", false},
          {"skip_prk_steps", true},
          {"steps_offset", 1},
          {"timestep_spacing", "leading"},
          {"trained_betas", nullptr},
          {"use_karras_sigmas", false}};
}

json pair(const char* library, const char* name) { return json::array({library, name}); }

json index_document() {
  return {{"_class_name", "StableDiffusionXLPipeline"},
          {"_diffusers_version", kDiffusersVersion},
          {"force_zeros_for_empty_prompt", true},
          {"scheduler", pair("diffusers", "EulerDiscreteScheduler")},
          {"text_encoder", pair("transformers", "CLIPTextModel")},
          {"text_encoder_2", pair("transformers", "CLIPTextModelWithProjection")},
          {"tokenizer", pair("transformers", "CLIPTokenizer")},
          {"tokenizer_2", pair("transformers", "CLIPTokenizer")},
          {"unet", pair("diffusers", "UNet2DConditionModel")},
          {"vae", pair("diffusers", "AutoencoderKL")}};
}

}  // namespace

json preset_configs(const std::string& name) {
  const Preset& preset = find_preset(name);
  return {{"unet", unet_document(preset)},
          {"vae", vae_document(preset)},
          {"text_encoder",
           text_document(preset.text, "CLIPTextModel", "quick_gelu", preset.text.hidden)},
          {"text_encoder_2",
           text_document(preset.text_2, "CLIPTextModelWithProjection", "gelu", preset.projection)},
          {"scheduler", scheduler_document()},
          {"model_index", index_document()}};
}

}  // namespace sarsweep::trainer
