#include "trainer/core/files/single_file_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <map>
#include <utility>

#include "schema/base/error.h"
#include "trainer/core/files/original_names.h"

namespace sarsweep::trainer {
namespace {

constexpr std::string_view kUnet = "model.diffusion_model.";
constexpr std::string_view kVae = "first_stage_model.";
constexpr std::string_view kText = "conditioner.embedders.0.transformer.";
constexpr std::string_view kText2 = "conditioner.embedders.1.model.";
constexpr std::string_view kPositions = "text_model.embeddings.position_embedding.weight";
constexpr std::array<std::string_view, 3> kStacked = {".q_proj", ".k_proj", ".v_proj"};

struct SplitName {
  std::string module, parameter;  // "conv_in", "weight"
};

SplitName split(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) {
    throw Error(ErrorCode::invalid,
                fmt::format("the tensor \"{}\" has no place in a single file", name));
  }
  return {name.substr(0, dot), name.substr(dot + 1)};
}

int vae_levels(const std::vector<PartTensor>& tensors) {
  static constexpr std::string_view kBlocks = "encoder.down_blocks.";
  int levels = 0;
  for (const PartTensor& tensor : tensors) {
    if (tensor.part == PipelinePart::vae && tensor.name.starts_with(kBlocks)) {
      levels = std::max(levels, tensor.name[kBlocks.size()] - '0' + 1);
    }
  }
  return levels;
}

SingleFileTensor of_unet(const PartTensor& tensor) {
  const SplitName name = split(tensor.name);
  return {fmt::format("{}{}.{}", kUnet, original_unet_module(name.module), name.parameter),
          tensor.shape,
          SingleFileLayout::same,
          {tensor}};
}

// The original VAE projects in its attention by 1×1 convolutions.
SingleFileTensor of_vae(const PartTensor& tensor, int levels) {
  const SplitName name = split(tensor.name);
  SingleFileTensor result{
      fmt::format("{}{}.{}", kVae, original_vae_module(name.module, levels), name.parameter),
      tensor.shape,
      SingleFileLayout::same,
      {tensor}};
  if (tensor.shape.size() == 2) {
    result.layout = SingleFileLayout::pointwise;
    result.shape.insert(result.shape.end(), {1, 1});
  }
  return result;
}

// OpenCLIP's projection stands on the right of the features, hence transposed.
SingleFileTensor of_text_2(const PartTensor& tensor) {
  if (tensor.name == "text_projection.weight" && tensor.shape.size() == 2) {
    return {std::string(kText2) + "text_projection",
            {tensor.shape[1], tensor.shape[0]},
            SingleFileLayout::transposed,
            {tensor}};
  }
  const SplitName name = split(tensor.name);
  const std::string module = open_clip_module(name.module);
  const bool bare = module == "positional_embedding";
  return {fmt::format("{}{}{}", kText2, module, bare ? "" : "." + name.parameter),
          tensor.shape,
          SingleFileLayout::same,
          {tensor}};
}

bool is_stacked(const PartTensor& tensor) {
  return std::any_of(kStacked.begin(), kStacked.end(), [&](std::string_view part) {
    return tensor.name.find(part) != std::string::npos;
  });
}

// The stack of the three projections that `query` begins; `by_name`: all of text encoder 2.
SingleFileTensor stack_of(const PartTensor& query,
                          const std::map<std::string, const PartTensor*>& by_name) {
  SingleFileTensor result{{}, query.shape, SingleFileLayout::stacked, {}};
  const SplitName name = split(query.name);
  const std::string stem = name.module.substr(0, name.module.size() - kStacked[0].size());
  for (const std::string_view part : kStacked) {
    const std::string wanted = fmt::format("{}{}.{}", stem, part, name.parameter);
    const auto found = by_name.find(wanted);
    if (found == by_name.end() || found->second->shape != query.shape) {
      throw Error(ErrorCode::invalid,
                  fmt::format("text_encoder_2: \"{}\" is missing or has another shape than \"{}\"",
                              wanted, query.name));
    }
    result.sources.push_back(*found->second);
  }
  result.name =
      fmt::format("{}{}.in_proj_{}", kText2, open_clip_module(name.module), name.parameter);
  result.shape[0] *= static_cast<std::int64_t>(kStacked.size());
  return result;
}

void append_text_2(const std::vector<PartTensor>& tensors, std::vector<SingleFileTensor>& all) {
  std::map<std::string, const PartTensor*> by_name;
  for (const PartTensor& tensor : tensors) {
    if (tensor.part == PipelinePart::text_encoder_2) by_name.emplace(tensor.name, &tensor);
  }
  for (const auto& [name, tensor] : by_name) {
    if (!is_stacked(*tensor)) {
      all.push_back(of_text_2(*tensor));
    } else if (name.find(kStacked[0]) != std::string::npos) {
      all.push_back(stack_of(*tensor, by_name));
    }
  }
  all.push_back({std::string(kText2) + "logit_scale", {}, SingleFileLayout::logit_scale, {}});
}

void append_text(const PartTensor& tensor, std::vector<SingleFileTensor>& all) {
  all.push_back({std::string(kText) + tensor.name, tensor.shape, SingleFileLayout::same, {tensor}});
  if (tensor.name != kPositions) return;
  all.push_back({std::string(kText) + "text_model.embeddings.position_ids",
                 {1, tensor.shape.at(0)},
                 SingleFileLayout::positions,
                 {}});
}

}  // namespace

std::string_view to_string(PipelinePart part) {
  switch (part) {
    case PipelinePart::unet: return "unet";
    case PipelinePart::vae: return "vae";
    case PipelinePart::text_encoder: return "text_encoder";
    case PipelinePart::text_encoder_2: return "text_encoder_2";
  }
  assert(false);
  return {};
}

std::vector<SingleFileTensor> single_file_layout(const std::vector<PartTensor>& tensors) {
  const int levels = vae_levels(tensors);
  std::vector<SingleFileTensor> all;
  for (const PartTensor& tensor : tensors) {
    switch (tensor.part) {
      case PipelinePart::unet: all.push_back(of_unet(tensor)); break;
      case PipelinePart::vae: all.push_back(of_vae(tensor, levels)); break;
      case PipelinePart::text_encoder: append_text(tensor, all); break;
      case PipelinePart::text_encoder_2: break;
    }
  }
  append_text_2(tensors, all);
  return all;
}

}  // namespace sarsweep::trainer
