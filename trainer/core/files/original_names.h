#pragma once

#include <string>

// SDXL's tensors have two names: diffusers', which this program uses, and those of the code the
// model was first published with, which single files and kohya's LoRA files use.
namespace sarsweep::trainer {

// The original path of a module of an SDXL UNet, given by diffusers' path:
// "down_blocks.1.resnets.0.conv1" -> "input_blocks.4.0.in_layers.2". Names inside a transformer are
// the same in both.
std::string original_unet_module(const std::string& module);

// The same of the VAE: "decoder.up_blocks.0.resnets.2.norm1" -> "decoder.up.3.block.2.norm1" with
// `levels` = 4, since the original counts the decoder's levels from the picture.
std::string original_vae_module(const std::string& module, int levels);

// OpenCLIP's path of a module of text encoder 2: "text_model.encoder.layers.0.mlp.fc1" ->
// "transformer.resblocks.0.mlp.c_fc". Query, key and value are one tensor there: `attn` is their
// module.
std::string open_clip_module(const std::string& module);

}  // namespace sarsweep::trainer
