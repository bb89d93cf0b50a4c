#include "trainer/core/files/lora_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "trainer/core/files/original_names.h"

namespace sarsweep::trainer {
namespace {

constexpr std::string_view kTextModel = "text_model.";

struct Suffix {
  std::string_view text;
  LoraRole role;
};
constexpr std::array<Suffix, 13> kSuffixes{{{".lora_A.weight", LoraRole::down},
                                            {".lora_B.weight", LoraRole::up},
                                            {".lora_A.default.weight", LoraRole::down},
                                            {".lora_B.default.weight", LoraRole::up},
                                            {".lora_down.weight", LoraRole::down},
                                            {".lora_up.weight", LoraRole::up},
                                            {".lora.down.weight", LoraRole::down},
                                            {".lora.up.weight", LoraRole::up},
                                            {".lora_linear_layer.down.weight", LoraRole::down},
                                            {".lora_linear_layer.up.weight", LoraRole::up},
                                            {"_lora.down.weight", LoraRole::down},
                                            {"_lora.up.weight", LoraRole::up},
                                            {".alpha", LoraRole::alpha}}};

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

// "a.attn1.to_out.0" -> "a.attn1.processor.to_out"; empty outside attention.
std::string processor_path(const std::string& module) {
  for (const std::string_view attention : {".attn1.", ".attn2."}) {
    const std::size_t at = module.find(attention);
    if (at == std::string::npos) continue;
    const std::size_t begin = at + attention.size();
    const std::string projection = module.substr(begin, module.find('.', begin) - begin);
    return module.substr(0, begin) + "processor." + projection;
  }
  return {};
}

void append_unet_spellings(const std::string& module, std::vector<std::string>& prefixes) {
  prefixes.push_back(module);
  prefixes.push_back("base_model.model." + module);
  const std::string processor = processor_path(module);
  if (processor.empty()) return;
  prefixes.push_back(processor);
  prefixes.push_back("unet." + processor);
}

}  // namespace

std::optional<LoraKey> split_lora_key(std::string_view name) {
  for (const Suffix& suffix : kSuffixes) {
    if (!name.ends_with(suffix.text)) continue;
    return LoraKey{std::string(name.substr(0, name.size() - suffix.text.size())), suffix.role};
  }
  return std::nullopt;
}

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
  const std::string kohya(kohya_component(layer.component));
  std::vector<std::string> prefixes{kohya_prefix(layer), kohya + underscored(layer.module),
                                    component + "." + layer.module};
  if (layer.component == LoraComponent::unet) {
    append_unet_spellings(layer.module, prefixes);
  } else {
    prefixes.push_back(component + "." + without_text_model(layer.module));
    prefixes.push_back(kohya + underscored(without_text_model(layer.module)));
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
