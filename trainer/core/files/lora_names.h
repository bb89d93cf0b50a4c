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

// What a tensor of a LoRA file is to the layer whose name it begins with.
enum class LoraRole { down, up, alpha };
struct LoraKey {
  std::string prefix;
  LoraRole role = LoraRole::down;
};
// "unet.conv_in.lora_A.weight" -> {"unet.conv_in", down}. Understands PEFT, kohya, and the
// spellings diffusers wrote before it used PEFT; nullopt: another kind of adapter, or none.
std::optional<LoraKey> split_lora_key(std::string_view name);

// Every spelling that find_layer takes for the layer: with the component's name; kohya's, by the
// original path or diffusers'; both of a text encoder also without "text_model."; and of the UNet
// alone also bare ("down_blocks…"), as PEFT saves one model ("base_model.model.down_blocks…"), and
// through an attention's processor
// ("….attn1.processor.to_q").
std::vector<std::string> accepted_prefixes(const LoraLayerName& layer);

// The layer a prefix names.
// `known`: the layers that exist (underscores are not invertible in general).
std::optional<LoraLayerName> find_layer(std::string_view prefix,
                                        const std::vector<LoraLayerName>& known);

}  // namespace sarsweep::trainer
