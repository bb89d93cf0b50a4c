#pragma once

#include <filesystem>
#include <string>

#include "trainer/core/model_config.h"
#include "trainer/core/safetensors.h"
#include "trainer/core/tokenizer.h"
#include "trainer/torch/autoencoder.h"
#include "trainer/torch/clip_text.h"
#include "trainer/torch/unet.h"

namespace sarsweep::trainer {

// A whole SDXL pipeline in memory.
struct Pipeline {
  UNet unet;
  Autoencoder vae;
  ClipText text_encoder, text_encoder_2;
  Tokenizer tokenizer, tokenizer_2;
  SchedulerConfig scheduler;
  nlohmann::json model_index;
};

// The config documents of a diffusers folder, keyed as preset_configs() does.
nlohmann::json read_configs(const std::filesystem::path& folder);
// Reads a diffusers folder (sharded index, fp16 variant files, both text-encoder prefixes and the
// old VAE attention names included). Weights become fp32. Throws Error(invalid) with a named list
// of missing or unexpected keys.
Pipeline load_pipeline(const std::filesystem::path& folder);
// Writes a folder that diffusers loads, into a temporary name first. dtype: f32, f16 or bf16.
// Throws Error(conflict) if `folder` exists and is not empty.
void save_pipeline(const Pipeline& pipeline, const std::filesystem::path& folder, DType dtype);
// Random weights (PyTorch's default initialisation by layer kind, from Philox): equal seed, equal
// bytes.
Pipeline init_pipeline(const nlohmann::json& configs, std::uint64_t seed,
                       const std::filesystem::path& vocabulary_gz);

// What a prompt becomes for the UNet.
struct Conditioning {
  at::Tensor context;  // [B,77,d1+d2]
  at::Tensor pooled;   // [B,p]
};
// Tokenises and encodes. Gradients flow if the encoders' tensors require them.
Conditioning encode_prompts(const Pipeline& pipeline, const std::vector<std::string>& prompts);
Conditioning encode_ids(const Pipeline& pipeline, const at::Tensor& ids, const at::Tensor& ids_2);

}  // namespace sarsweep::trainer
