#include "trainer/core/files/lora_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "trainer/core/files/original_names.h"

namespace sarsweep::trainer {
namespace {

constexpr std::string_view kTextModel = "text_model.";

std::string underscored(std::string text) {
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}

std::string without_text_model(const std::string& module) {
  return module.rfind(kTextModel, 0) == 0 ? module.substr(kTextModel.size()) : module;
}

std::string_view kohya_component(LoraComponent component) {
  switch (component) {
    case LoraComponent::unet: return "lora_unet_";
    case LoraComponent::text_encoder: return "lora_te1_";
    case LoraComponent::text_encoder_2: return "lora_te2_";
  }
  assert(false);
  return {};
}

}  // namespace

std::string_view to_string(LoraComponent component) {
  switch (component) {
    case LoraComponent::unet: return "unet";
    case LoraComponent::text_encoder: return "text_encoder";
    case LoraComponent::text_encoder_2: return "text_encoder_2";
  }
  assert(false);
  return {};
}

std::string peft_module(const LoraLayerName& layer) {
  return layer.component == LoraComponent::text_encoder ? without_text_model(layer.module)
                                                        : layer.module;
}

std::string peft_prefix(const LoraLayerName& layer) {
  return fmt::format("{}.{}", to_string(layer.component), peft_module(layer));
}

std::string kohya_prefix(const LoraLayerName& layer) {
  const std::string path =
      layer.component == LoraComponent::unet ? original_unet_module(layer.module) : layer.module;
  return std::string(kohya_component(layer.component)) + underscored(path);
}

std::vector<std::string> accepted_prefixes(const LoraLayerName& layer) {
  const std::string component(to_string(layer.component));
  std::vector<std::string> prefixes{
      kohya_prefix(layer),
      std::string(kohya_component(layer.component)) + underscored(layer.module),
      component + "." + layer.module};
  if (layer.component != LoraComponent::unet) {
    prefixes.push_back(component + "." + without_text_model(layer.module));
  }
  return prefixes;
}

std::optional<LoraLayerName> find_layer(std::string_view prefix,
                                        const std::vector<LoraLayerName>& known) {
  for (const LoraLayerName& layer : known) {
    const std::vector<std::string> accepted = accepted_prefixes(layer);
    if (std::find(accepted.begin(), accepted.end(), prefix) != accepted.end()) return layer;
  }
  return std::nullopt;
}

}  // namespace sarsweep::trainer
