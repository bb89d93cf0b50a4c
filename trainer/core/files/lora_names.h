#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The names a LoRA file gives to the layers of an SDXL pipeline: PEFT uses diffusers' module paths,
// kohya the original SGM paths with underscores for dots.
namespace sarsweep::trainer {

enum class LoraComponent { unet, text_encoder, text_encoder_2 };
std::string_view to_string(LoraComponent component);  // "unet", "text_encoder", "text_encoder_2"

struct LoraLayerName {
  LoraComponent component = LoraComponent::unet;
  std::string
      module;  // diffusers' path: "down_blocks.1.attentions.0.proj_in", "text_model.encoder…"
  auto operator<=>(const LoraLayerName&) const = default;
};

// The module as PEFT finds it in current transformers: text encoder 1 without "text_model.".
std::string peft_module(const LoraLayerName& layer);
// "unet.down_blocks.1….lora_A.weight" without ".lora_A.weight". Text encoder 1 is written as
// current diffusers reads it.
std::string peft_prefix(const LoraLayerName& layer);
// "lora_unet_input_blocks_4_1_proj_in", "lora_te1_text_model_encoder_layers_0_self_attn_q_proj".
std::string kohya_prefix(const LoraLayerName& layer);

// Every spelling that find_layer takes for the layer.
std::vector<std::string> accepted_prefixes(const LoraLayerName& layer);

// The layer a prefix names; accepts PEFT, kohya in SGM or diffusers naming, both text prefixes.
// `known`: the layers that exist (underscores are not invertible in general).
std::optional<LoraLayerName> find_layer(std::string_view prefix,
                                        const std::vector<LoraLayerName>& known);

}  // namespace sarsweep::trainer
