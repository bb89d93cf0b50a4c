#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/config/model_config.h"
#include "trainer/core/text/tokenizer.h"
#include "trainer/torch/model/autoencoder.h"
#include "trainer/torch/model/clip_text.h"
#include "trainer/torch/model/unet.h"

namespace sarsweep::trainer {

// A whole SDXL pipeline in memory.
struct Pipeline {
  UNet unet;
  Autoencoder vae;
  ClipText text_encoder, text_encoder_2;
  Tokenizer tokenizer, tokenizer_2;
  SchedulerConfig scheduler;
  nlohmann::json model_index;
  std::vector<std::string> learned_tokens;  // in the order of their rows (learned_tokens.h)
};

// What stands for an empty negative prompt, by force_zeros_for_empty_prompt of model_index (true
// where it says nothing, as for diffusers): zeros, else what it encodes to. Throws Error(invalid)
// where model_index says neither.
bool zeros_for_empty_prompt(const Pipeline& pipeline);
void set_zeros_for_empty_prompt(Pipeline& pipeline, bool zeros);

// What a prompt becomes for the UNet.
struct Conditioning {
  at::Tensor context;  // [B,77,d1+d2]
  at::Tensor pooled;   // [B,p]
};
// Tokenises and encodes. Gradients flow if the encoders' tensors require them.
Conditioning encode_prompts(const Pipeline& pipeline, const std::vector<std::string>& prompts);
// Computes in `type`.
Conditioning encode_ids(const Pipeline& pipeline, const at::Tensor& ids, const at::Tensor& ids_2,
                        at::ScalarType type = at::kFloat);

}  // namespace sarsweep::trainer
