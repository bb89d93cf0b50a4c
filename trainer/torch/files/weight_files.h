#pragma once

#include <filesystem>

#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// The parts of a pipeline whose weights lie in a folder of their own.
enum class WeightKind { unet, vae, text_encoder };

// Fills `component` from the safetensors files of `folder`: one file, several with an index, or
// their fp16 variants. Names of older files are understood: VAE attention as
// query/key/value/proj_attn, text encoders without "text_model.". Throws Error(not_found) without a
// file, Error(invalid) with the names of missing and unexpected tensors, or for a tensor of another
// shape.
void load_weights(Component& component, WeightKind kind, const std::filesystem::path& folder);

// "diffusion_pytorch_model.safetensors", or "model.safetensors" of a text encoder.
std::filesystem::path weight_file(WeightKind kind, const std::filesystem::path& folder);

}  // namespace sarsweep::trainer
