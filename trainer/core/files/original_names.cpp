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

std::string inside_vae_attention(const std::string& inner) {
  static constexpr std::array<Rename, 5> kInner{{{"group_norm", "norm"},
                                                 {"to_q", "q"},
                                                 {"to_k", "k"},
                                                 {"to_v", "v"},
                                                 {"to_out.0", "proj_out"}}};
  return renamed(inner, kInner);
}

std::string inside_vae_resnet(const std::string& inner) {
  return inner == "conv_shortcut" ? "nin_shortcut" : inner;
}

std::string inside_text_layer(const std::string& inner) {
  static constexpr std::array<Rename, 8> kInner{{{"layer_norm1", "ln_1"},
                                                 {"layer_norm2", "ln_2"},
                                                 {"self_attn.q_proj", "attn"},
                                                 {"self_attn.k_proj", "attn"},
                                                 {"self_attn.v_proj", "attn"},
                                                 {"self_attn.out_proj", "attn.out_proj"},
                                                 {"mlp.fc1", "mlp.c_fc"},
                                                 {"mlp.fc2", "mlp.c_proj"}}};
  return renamed(inner, kInner);
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

std::string original_vae_module(const std::string& module, int levels) {
  static const RE2 kResnet(R"((encoder\.down|decoder\.up)_blocks\.(\d+)\.resnets\.(\d+)\.(.+))");
  static const RE2 kSampler(
      R"((encoder\.down|decoder\.up)_blocks\.(\d+)\.((?:down|up)sample)rs\.0\.conv)");
  static const RE2 kMiddleResnet(R"((encoder|decoder)\.mid_block\.resnets\.(\d+)\.(.+))");
  static const RE2 kAttention(R"((encoder|decoder)\.mid_block\.attentions\.0\.(.+))");
  static const RE2 kLastNorm(R"((encoder|decoder)\.conv_norm_out)");
  std::string way, level, index, inner;
  const auto original_level = [&] {
    return way.starts_with("decoder") ? levels - 1 - number(level) : number(level);
  };
  if (RE2::FullMatch(module, kResnet, &way, &level, &index, &inner)) {
    return fmt::format("{}.{}.block.{}.{}", way, original_level(), index, inside_vae_resnet(inner));
  }
  if (RE2::FullMatch(module, kSampler, &way, &level, &inner)) {
    return fmt::format("{}.{}.{}.conv", way, original_level(), inner);
  }
  if (RE2::FullMatch(module, kMiddleResnet, &way, &index, &inner)) {
    return fmt::format("{}.mid.block_{}.{}", way, number(index) + 1, inside_vae_resnet(inner));
  }
  if (RE2::FullMatch(module, kAttention, &way, &inner)) {
    return fmt::format("{}.mid.attn_1.{}", way, inside_vae_attention(inner));
  }
  if (RE2::FullMatch(module, kLastNorm, &way)) return way + ".norm_out";
  return module;
}

std::string open_clip_module(const std::string& module) {
  static const RE2 kLayer(R"(text_model\.encoder\.layers\.(\d+)\.(.+))");
  static constexpr std::array<Rename, 3> kOuter{
      {{"text_model.embeddings.token_embedding", "token_embedding"},
       {"text_model.embeddings.position_embedding", "positional_embedding"},
       {"text_model.final_layer_norm", "ln_final"}}};
  std::string layer, inner;
  if (RE2::FullMatch(module, kLayer, &layer, &inner)) {
    return fmt::format("transformer.resblocks.{}.{}", layer, inside_text_layer(inner));
  }
  return renamed(module, kOuter);
}

}  // namespace sarsweep::trainer
