#include "trainer/torch/files/pipeline_tensors.h"

#include <fmt/format.h>

#include <array>
#include <cassert>

#include "schema/base/error.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

constexpr std::array<PipelinePart, 4> kParts = {PipelinePart::unet, PipelinePart::vae,
                                                PipelinePart::text_encoder,
                                                PipelinePart::text_encoder_2};

void append(std::vector<PartTensor>& all, PipelinePart part, const Component& component) {
  for (const auto& [name, tensor] : component.parameters()) {
    all.push_back({part, name, tensor.sizes().vec()});
  }
}

}  // namespace

nlohmann::json configs_of(const Pipeline& pipeline) {
  return {{"unet", pipeline.unet.config().json},
          {"vae", pipeline.vae.config().json},
          {"text_encoder", pipeline.text_encoder.config().json},
          {"text_encoder_2", pipeline.text_encoder_2.config().json},
          {"scheduler", pipeline.scheduler.json},
          {"model_index", pipeline.model_index}};
}

PipelineSkeleton::PipelineSkeleton(const nlohmann::json& configs)
    : unet(parse_unet_config(configs.at("unet")), at::kMeta),
      vae(parse_vae_config(configs.at("vae")), at::kMeta),
      text_encoder(parse_clip_text_config(configs.at("text_encoder"), false), at::kMeta),
      text_encoder_2(parse_clip_text_config(configs.at("text_encoder_2"), true), at::kMeta) {}

WeightKind kind_of(PipelinePart part) {
  switch (part) {
    case PipelinePart::unet: return WeightKind::unet;
    case PipelinePart::vae: return WeightKind::vae;
    case PipelinePart::text_encoder:
    case PipelinePart::text_encoder_2: return WeightKind::text_encoder;
  }
  assert(false);
  return WeightKind::unet;
}

Component& part_of(Pipeline& pipeline, PipelinePart part) {
  switch (part) {
    case PipelinePart::unet: return pipeline.unet;
    case PipelinePart::vae: return pipeline.vae;
    case PipelinePart::text_encoder: return pipeline.text_encoder;
    case PipelinePart::text_encoder_2: return pipeline.text_encoder_2;
  }
  assert(false);
  return pipeline.unet;
}

PipelineTensors::PipelineTensors(const Pipeline& pipeline) {
  for (const auto& [part, component] :
       {std::pair<PipelinePart, const Component*>{PipelinePart::unet, &pipeline.unet},
        {PipelinePart::vae, &pipeline.vae},
        {PipelinePart::text_encoder, &pipeline.text_encoder},
        {PipelinePart::text_encoder_2, &pipeline.text_encoder_2}}) {
    for (const auto& [name, tensor] : component->parameters()) {
      tensors_.emplace(std::pair(part, name), tensor);
    }
  }
}

const at::Tensor& PipelineTensors::find(const PartTensor& tensor) const {
  const auto found = tensors_.find({tensor.part, tensor.name});
  if (found != tensors_.end()) return found->second;
  throw Error(ErrorCode::invalid,
              fmt::format("the {} has no tensor '{}'", to_string(tensor.part), tensor.name));
}

DType PipelineTensors::dtype(const PartTensor& tensor) const {
  return dtype_of(find(tensor).scalar_type());
}

at::Tensor PipelineTensors::read(const PartTensor& tensor) const {
  return find(tensor).detach().to(at::kCPU);
}

FolderTensors::FolderTensors(const std::filesystem::path& folder,
                             const std::vector<PartTensor>& wanted) {
  for (const PipelinePart part : kParts) {
    std::vector<std::string> names;
    for (const PartTensor& tensor : wanted) {
      if (tensor.part == part) names.push_back(tensor.name);
    }
    const auto files = parts_.try_emplace(part, kind_of(part), folder / to_string(part)).first;
    files->second.require_exactly(names);
  }
}

DType FolderTensors::dtype(const PartTensor& tensor) const {
  return parts_.at(tensor.part).dtype(tensor.name);
}

at::Tensor FolderTensors::read(const PartTensor& tensor) const {
  return parts_.at(tensor.part).view(tensor.name, tensor.shape);
}

std::vector<PartTensor> pipeline_tensors(const Pipeline& pipeline) {
  std::vector<PartTensor> all;
  append(all, PipelinePart::unet, pipeline.unet);
  append(all, PipelinePart::vae, pipeline.vae);
  append(all, PipelinePart::text_encoder, pipeline.text_encoder);
  append(all, PipelinePart::text_encoder_2, pipeline.text_encoder_2);
  return all;
}

std::vector<PartTensor> pipeline_tensors(const nlohmann::json& configs) {
  const PipelineSkeleton skeleton(configs);
  std::vector<PartTensor> all;
  append(all, PipelinePart::unet, skeleton.unet);
  append(all, PipelinePart::vae, skeleton.vae);
  append(all, PipelinePart::text_encoder, skeleton.text_encoder);
  append(all, PipelinePart::text_encoder_2, skeleton.text_encoder_2);
  return all;
}

}  // namespace sarsweep::trainer
