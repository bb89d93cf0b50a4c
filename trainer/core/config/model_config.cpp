#include "trainer/core/config/model_config.h"

#include <fmt/format.h>

#include "trainer/core/config/clip_tower.h"
#include "trainer/core/config/config_reader.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

const std::vector<FixedKey>& unet_fixed_keys() {
  static const std::vector<FixedKey> keys = {
      {"center_input_sample", false, false},
      {"flip_sin_to_cos", true, true},
      {"freq_shift", 0, 0},
      {"mid_block_type", "UNetMidBlock2DCrossAttn", "UNetMidBlock2DCrossAttn"},
      {"only_cross_attention", false, false},
      {"mid_block_only_cross_attention", nullptr, nullptr},
      {"downsample_padding", 1, 1},
      {"mid_block_scale_factor", 1, 1},
      {"dropout", 0.0, 0.0},
      {"act_fn", "silu", "silu"},
      {"reverse_transformer_layers_per_block", nullptr, nullptr},
      {"encoder_hid_dim", nullptr, nullptr},
      {"encoder_hid_dim_type", nullptr, nullptr},
      {"dual_cross_attention", false, false},
      {"use_linear_projection", true, false},
      {"class_embed_type", nullptr, nullptr},
      {"addition_embed_type", "text_time", nullptr},
      {"num_class_embeds", nullptr, nullptr},
      {"upcast_attention", false, false},
      {"resnet_time_scale_shift", "default", "default"},
      {"resnet_skip_time_act", false, false},
      {"resnet_out_scale_factor", 1.0, 1.0},
      {"time_embedding_type", "positional", "positional"},
      {"time_embedding_dim", nullptr, nullptr},
      {"time_embedding_act_fn", nullptr, nullptr},
      {"timestep_post_act", nullptr, nullptr},
      {"time_cond_proj_dim", nullptr, nullptr},
      {"conv_in_kernel", 3, 3},
      {"conv_out_kernel", 3, 3},
      {"attention_type", "default", "default"},
      {"class_embeddings_concat", false, false},
      {"cross_attention_norm", nullptr, nullptr}};
  return keys;
}

const std::vector<FixedKey>& vae_fixed_keys() {
  static const std::vector<FixedKey> keys = {{"act_fn", "silu", "silu"},
                                             {"latents_mean", nullptr, nullptr},
                                             {"latents_std", nullptr, nullptr},
                                             {"shift_factor", nullptr, nullptr},
                                             {"use_quant_conv", true, true},
                                             {"use_post_quant_conv", true, true},
                                             {"mid_block_add_attention", true, true}};
  return keys;
}

void require_multiple(const ConfigReader& reader, const char* key, const std::vector<int>& widths,
                      int divisor) {
  for (const int width : widths) {
    if (width % divisor != 0) {
      reader.refuse(
          fmt::format("block_out_channels {} is no multiple of {} {}", width, key, divisor));
    }
  }
}

}  // namespace

UNetConfig parse_unet_config(const json& document) {
  const ConfigReader reader(document, "UNet");
  reader.require_fixed(unet_fixed_keys());
  UNetConfig config;
  config.sample_size = reader.integer_or("sample_size", config.sample_size);
  config.in_channels = reader.integer_or("in_channels", config.in_channels);
  config.out_channels = reader.integer_or("out_channels", config.out_channels);
  config.block_out_channels = reader.integers("block_out_channels");
  const std::size_t levels = config.block_out_channels.size();
  config.down_block_types =
      reader.block_types("down_block_types", levels, {"DownBlock2D", "CrossAttnDownBlock2D"});
  config.up_block_types =
      reader.block_types("up_block_types", levels, {"UpBlock2D", "CrossAttnUpBlock2D"});
  config.layers_per_block = reader.integer_or("layers_per_block", config.layers_per_block);
  config.norm_num_groups = reader.integer_or("norm_num_groups", config.norm_num_groups);
  config.norm_eps = reader.positive_or("norm_eps", config.norm_eps);
  config.cross_attention_dim = reader.integer("cross_attention_dim");
  config.transformer_layers_per_block =
      reader.has("transformer_layers_per_block")
          ? reader.integers_per_level("transformer_layers_per_block", levels)
          : std::vector<int>(levels, 1);
  config.num_attention_heads = reader.integers_per_level(
      reader.has("num_attention_heads") ? "num_attention_heads" : "attention_head_dim", levels);
  config.addition_time_embed_dim = reader.integer("addition_time_embed_dim", 2);
  config.projection_class_embeddings_input_dim =
      reader.integer("projection_class_embeddings_input_dim");
  require_multiple(reader, "norm_num_groups", config.block_out_channels, config.norm_num_groups);
  for (std::size_t i = 0; i < levels; ++i) {
    require_multiple(reader, "attention heads", {config.block_out_channels[i]},
                     config.num_attention_heads[i]);
  }
  config.json = document;
  return config;
}

VaeConfig parse_vae_config(const json& document) {
  const ConfigReader reader(document, "VAE");
  reader.require_fixed(vae_fixed_keys());
  VaeConfig config;
  config.block_out_channels = reader.integers("block_out_channels");
  const std::size_t levels = config.block_out_channels.size();
  reader.block_types("down_block_types", levels, {"DownEncoderBlock2D"});
  reader.block_types("up_block_types", levels, {"UpDecoderBlock2D"});
  config.in_channels = reader.integer_or("in_channels", config.in_channels);
  config.out_channels = reader.integer_or("out_channels", config.out_channels);
  config.latent_channels = reader.integer_or("latent_channels", config.latent_channels);
  config.layers_per_block = reader.integer_or("layers_per_block", 1);
  config.norm_num_groups = reader.integer_or("norm_num_groups", config.norm_num_groups);
  config.sample_size = reader.integer_or("sample_size", config.sample_size);
  config.scaling_factor = reader.positive_or("scaling_factor", 0.18215);  // diffusers' default
  require_multiple(reader, "norm_num_groups", config.block_out_channels, config.norm_num_groups);
  config.json = document;
  return config;
}

ClipTextConfig parse_clip_text_config(const json& document, bool with_projection) {
  const ConfigReader reader(document, "text encoder");
  ClipTextConfig config;
  read_clip_tower(reader, config);
  config.vocab_size = reader.integer_or("vocab_size", config.vocab_size);
  config.max_position_embeddings =
      reader.integer_or("max_position_embeddings", config.max_position_embeddings);
  if (with_projection) config.projection_dim = reader.integer("projection_dim");
  if (config.vocab_size <= config.eos_token_id) {
    config.eos_token_id = reader.integer_or("eos_token_id", 2, 0);
  } else if (config.vocab_size > config.eos_token_id + 1) {
    config.pools_greatest_id = reader.integer_or("eos_token_id", config.eos_token_id, 0) == 2;
  }
  config.json = document;
  return config;
}

void SchedulerConfig::set_prediction_type(const std::string& type) {
  prediction_type = type;
  json["prediction_type"] = type;
}

SchedulerConfig parse_scheduler_config(const json& document) {
  const ConfigReader reader(document, "scheduler");
  reader.require_fixed({{"beta_schedule", "scaled_linear", "linear"},
                        {"trained_betas", nullptr, nullptr},
                        {"rescale_betas_zero_snr", false, false}});
  SchedulerConfig config;
  config.num_train_timesteps = reader.integer_or("num_train_timesteps", config.num_train_timesteps);
  config.beta_start = reader.positive_or("beta_start", config.beta_start);
  config.beta_end = reader.positive_or("beta_end", config.beta_end);
  config.prediction_type = reader.text_or("prediction_type", config.prediction_type);
  config.timestep_spacing = reader.text_or("timestep_spacing", config.timestep_spacing);
  config.steps_offset = reader.integer_or("steps_offset", 0, 0);
  if (config.prediction_type != "epsilon" && config.prediction_type != "v_prediction") {
    reader.refuse(fmt::format("prediction_type '{}' is not supported, only epsilon, v_prediction",
                              config.prediction_type));
  }
  config.json = document;
  return config;
}

}  // namespace sarsweep::trainer
