#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

// The config.json files of a diffusers SDXL folder as structs. Reading refuses a value this program
// cannot honour (an unknown block type, upcast_attention, …) with Error(invalid) naming it.
namespace sarsweep::trainer {

struct UNetConfig {
  int sample_size = 128;
  int in_channels = 4, out_channels = 4;
  std::vector<std::string> down_block_types, up_block_types;
  std::vector<int> block_out_channels;
  int layers_per_block = 2;
  int norm_num_groups = 32;
  double norm_eps = 1e-5;
  int cross_attention_dim = 2048;
  std::vector<int> transformer_layers_per_block;
  std::vector<int> num_attention_heads;  // diffusers' `attention_head_dim` is the number of heads
  int addition_time_embed_dim = 256;
  int projection_class_embeddings_input_dim = 2816;
  nlohmann::json json;  // as read, written back unchanged
};

struct VaeConfig {
  std::vector<int> block_out_channels;
  int in_channels = 3, out_channels = 3;
  int latent_channels = 4;
  int layers_per_block = 2;
  int norm_num_groups = 32;
  int sample_size = 1024;
  double scaling_factor = 0.13025;
  nlohmann::json json;
};

// What both of CLIP's towers have.
struct ClipTowerConfig {
  int hidden_size = 768, num_hidden_layers = 12, num_attention_heads = 12;
  int intermediate_size = 3072;
  std::string hidden_act = "quick_gelu";  // | "gelu"
  double layer_norm_eps = 1e-5;
  int projection_dim = 0;  // 0: no projection (text encoder 1)
};

struct ClipTextConfig : ClipTowerConfig {
  int vocab_size = 49408, max_position_embeddings = 77;
  // Whose first occurrence is pooled: 49407 where the vocabulary holds it, whatever the file says
  // (SDXL's files say 2), so that added tokens change nothing; else the file's.
  int eos_token_id = 49407;
  // The vocabulary has grown beyond CLIP's and the file says 2: transformers then pools at the
  // greatest id, so that is what the model was made for.
  bool pools_greatest_id = false;
  nlohmann::json json;
};

struct SchedulerConfig {  // of scheduler/scheduler_config.json; SDXL's values by default
  int num_train_timesteps = 1000;
  double beta_start = 0.00085, beta_end = 0.012;  // scaled_linear
  std::string prediction_type = "epsilon";
  std::string timestep_spacing = "leading";
  int steps_offset = 1;
  nlohmann::json json;

  bool predicts_velocity() const { return prediction_type == "v_prediction"; }
  void set_prediction_type(const std::string& type);  // and the json's
};

UNetConfig parse_unet_config(const nlohmann::json& json);
VaeConfig parse_vae_config(const nlohmann::json& json);
// `with_projection`: CLIPTextModelWithProjection.
ClipTextConfig parse_clip_text_config(const nlohmann::json& json, bool with_projection);
SchedulerConfig parse_scheduler_config(const nlohmann::json& json);

// The json documents of a preset ("tiny" | "small" | "sdxl"), by component folder: {"unet": {…},
// "vae": {…}, "text_encoder": {…}, "text_encoder_2": {…}, "scheduler": {…}, "model_index": {…}}.
nlohmann::json preset_configs(const std::string& preset);

}  // namespace sarsweep::trainer
