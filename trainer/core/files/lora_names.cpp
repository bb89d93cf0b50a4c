#include "trainer/core/files/lora_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <utility>

#include <re2/re2.h>

namespace sarsweep::trainer {
namespace {

constexpr std::string_view kTextModel = "text_model.";
// SDXL has two resnets and a sampler per level on the way down, three resnets on the way up.
constexpr int kPerLevel = 3;

int number(const std::string& digits) {
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::string underscored(std::string text) {
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}

using Rename = std::pair<std::string_view, std::string_view>;

template <std::size_t N>
std::string renamed(const std::string& name, const std::array<Rename, N>& table) {
  for (const auto& [from, to] : table) {
    if (name == from) return std::string(to);
  }
  return name;
}

std::string sgm_of_resnet(const std::string& inner) {
  static constexpr std::array<Rename, 6> kInner{{{"norm1", "in_layers.0"},
                                                 {"conv1", "in_layers.2"},
                                                 {"time_emb_proj", "emb_layers.1"},
                                                 {"norm2", "out_layers.0"},
                                                 {"conv2", "out_layers.3"},
                                                 {"conv_shortcut", "skip_connection"}}};
  return renamed(inner, kInner);
}

std::string sgm_of_root(const std::string& module) {
  static constexpr std::array<Rename, 6> kRoot{{{"conv_in", "input_blocks.0.0"},
                                                {"conv_out", "out.2"},
                                                {"time_embedding.linear_1", "time_embed.0"},
                                                {"time_embedding.linear_2", "time_embed.2"},
                                                {"add_embedding.linear_1", "label_emb.0.0"},
                                                {"add_embedding.linear_2", "label_emb.0.2"}}};
  return renamed(module, kRoot);
}

// diffusers' module path of an SDXL UNet to that of the original SGM code.
std::string sgm_path(const std::string& module) {
  static const RE2 kBlock(R"((down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+))");
  static const RE2 kSampler(R"((down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0\.conv)");
  static const RE2 kMiddle(R"(mid_block\.(resnets|attentions)\.(\d+)\.(.+))");
  std::string way, level, kind, index, inner;
  if (RE2::FullMatch(module, kBlock, &way, &level, &kind, &index, &inner)) {
    const bool down = way == "down";
    const bool resnet = kind == "resnets";
    return fmt::format("{}_blocks.{}.{}.{}", down ? "input" : "output",
                       kPerLevel * number(level) + number(index) + (down ? 1 : 0), resnet ? 0 : 1,
                       resnet ? sgm_of_resnet(inner) : inner);
  }
  if (RE2::FullMatch(module, kSampler, &way, &level)) {
    return way == "down" ? fmt::format("input_blocks.{}.0.op", kPerLevel * (number(level) + 1))
                         : fmt::format("output_blocks.{}.2.conv", kPerLevel * number(level) + 2);
  }
  if (RE2::FullMatch(module, kMiddle, &kind, &index, &inner)) {
    return kind == "attentions"
               ? fmt::format("middle_block.1.{}", inner)
               : fmt::format("middle_block.{}.{}", 2 * number(index), sgm_of_resnet(inner));
  }
  return sgm_of_root(module);
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
      layer.component == LoraComponent::unet ? sgm_path(layer.module) : layer.module;
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
