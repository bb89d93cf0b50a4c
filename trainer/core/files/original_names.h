#pragma once

#include <string>

// SDXL's tensors have two names: diffusers', which this program uses, and those of the code the
// model was first published with, which single files and kohya's LoRA files use.
namespace sarsweep::trainer {

// The original path of a module of an SDXL UNet, given by diffusers' path:
// "down_blocks.1.resnets.0.conv1" -> "input_blocks.4.0.in_layers.2". Names inside a transformer are
// the same in both.
std::string original_unet_module(const std::string& module);

}  // namespace sarsweep::trainer
