#include "trainer/core/files/original_names.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include <re2/re2.h>

namespace sarsweep::trainer {
namespace {

// SDXL has two resnets and a sampler per level on the way down, three resnets on the way up.
constexpr int kPerLevel = 3;

int number(const std::string& digits) {
  int value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

using Rename = std::pair<std::string_view, std::string_view>;

template <std::size_t N>
std::string renamed(const std::string& name, const std::array<Rename, N>& table) {
  for (const auto& [from, to] : table) {
    if (name == from) return std::string(to);
  }
  return name;
}

std::string inside_unet_resnet(const std::string& inner) {
  static constexpr std::array<Rename, 6> kInner{{{"norm1", "in_layers.0"},
                                                 {"conv1", "in_layers.2"},
                                                 {"time_emb_proj", "emb_layers.1"},
                                                 {"norm2", "out_layers.0"},
                                                 {"conv2", "out_layers.3"},
                                                 {"conv_shortcut", "skip_connection"}}};
  return renamed(inner, kInner);
}

std::string outside_unet_blocks(const std::string& module) {
  static constexpr std::array<Rename, 7> kRoot{{{"conv_in", "input_blocks.0.0"},
                                                {"conv_norm_out", "out.0"},
                                                {"conv_out", "out.2"},
                                                {"time_embedding.linear_1", "time_embed.0"},
                                                {"time_embedding.linear_2", "time_embed.2"},
                                                {"add_embedding.linear_1", "label_emb.0.0"},
                                                {"add_embedding.linear_2", "label_emb.0.2"}}};
  return renamed(module, kRoot);
}

}  // namespace

std::string original_unet_module(const std::string& module) {
  static const RE2 kBlock(R"((down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+))");
  static const RE2 kSampler(R"((down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0\.conv)");
  static const RE2 kMiddle(R"(mid_block\.(resnets|attentions)\.(\d+)\.(.+))");
  std::string way, level, kind, index, inner;
  if (RE2::FullMatch(module, kBlock, &way, &level, &kind, &index, &inner)) {
    const bool down = way == "down";
    const bool resnet = kind == "resnets";
    return fmt::format("{}_blocks.{}.{}.{}", down ? "input" : "output",
                       kPerLevel * number(level) + number(index) + (down ? 1 : 0), resnet ? 0 : 1,
                       resnet ? inside_unet_resnet(inner) : inner);
  }
  if (RE2::FullMatch(module, kSampler, &way, &level)) {
    return way == "down" ? fmt::format("input_blocks.{}.0.op", kPerLevel * (number(level) + 1))
                         : fmt::format("output_blocks.{}.2.conv", kPerLevel * number(level) + 2);
  }
  if (RE2::FullMatch(module, kMiddle, &kind, &index, &inner)) {
    return kind == "attentions"
               ? fmt::format("middle_block.1.{}", inner)
               : fmt::format("middle_block.{}.{}", 2 * number(index), inside_unet_resnet(inner));
  }
  return outside_unet_blocks(module);
}

}  // namespace sarsweep::trainer
