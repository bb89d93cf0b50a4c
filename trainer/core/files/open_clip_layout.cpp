#include "trainer/core/files/open_clip_layout.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <string_view>

#include "schema/base/error.h"
#include "trainer/core/files/original_names.h"

namespace sarsweep::trainer {
namespace {

constexpr std::string_view kVision = "vision_model.", kText = "text_model.";
constexpr std::array<std::string_view, 3> kParts = {".q_proj.", ".k_proj.", ".v_proj."};

// What the towers do not have in common.
const std::map<std::string, OpenClipPlace>& single_places() {
  static const std::map<std::string, OpenClipPlace> places = {
      {"logit_scale", {"logit_scale"}},
      {"text_projection.weight", {"text_projection", -1, true}},
      {"visual_projection.weight", {"visual.proj", -1, true}},
      {"text_model.embeddings.position_embedding.weight", {"positional_embedding"}},
      {"vision_model.embeddings.class_embedding", {"visual.class_embedding"}},
      {"vision_model.embeddings.patch_embedding.weight", {"visual.conv1.weight"}},
      {"vision_model.embeddings.position_embedding.weight", {"visual.positional_embedding"}},
      {"vision_model.pre_layrnorm.weight", {"visual.ln_pre.weight"}},
      {"vision_model.pre_layrnorm.bias", {"visual.ln_pre.bias"}},
      {"vision_model.post_layernorm.weight", {"visual.ln_post.weight"}},
      {"vision_model.post_layernorm.bias", {"visual.ln_post.bias"}}};
  return places;
}

int part_of(const std::string& name) {
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    if (name.find(kParts[i]) != std::string::npos) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

OpenClipPlace open_clip_place(const std::string& name) {
  const auto single = single_places().find(name);
  if (single != single_places().end()) return single->second;
  const bool vision = name.starts_with(kVision);
  const std::size_t dot = name.rfind('.');
  if ((!vision && !name.starts_with(kText)) || dot == std::string::npos) {
    throw Error(ErrorCode::invalid, fmt::format("no CLIP model has a tensor '{}'", name));
  }
  // The layers of both towers have the same names below their tower's.
  const std::string module = name.substr(0, dot), parameter = name.substr(dot + 1);
  const std::string below = vision ? std::string(kText) + module.substr(kVision.size()) : module;
  const std::string original = (vision ? "visual." : "") + open_clip_module(below);
  const int part = part_of(name);
  return {fmt::format("{}.{}{}", original, part < 0 ? "" : "in_proj_", parameter), part, false};
}

}  // namespace sarsweep::trainer
