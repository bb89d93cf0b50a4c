#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/files/single_file_layout.h"
#include "trainer/torch/files/weight_files.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// The config documents of a pipeline in memory, keyed as preset_configs() does.
nlohmann::json configs_of(const Pipeline& pipeline);

// The four networks of a configuration with names and shapes but without memory for a weight.
struct PipelineSkeleton {
  explicit PipelineSkeleton(const nlohmann::json& configs);  // keyed as preset_configs() does
  UNet unet;
  Autoencoder vae;
  ClipText text_encoder, text_encoder_2;
};

// Names and shapes of the tensors of all four parts.
std::vector<PartTensor> pipeline_tensors(const Pipeline& pipeline);
std::vector<PartTensor> pipeline_tensors(const nlohmann::json& configs);

Component& part_of(Pipeline& pipeline, PipelinePart part);
WeightKind kind_of(PipelinePart part);

// The weights of a whole pipeline wherever they lie, fetched one at a time.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // The type a tensor is stored in. Throws Error(invalid) naming a tensor that is not there.
  virtual DType dtype(const PartTensor& tensor) const = 0;
  // The tensor in that type, of tensor.shape, on the CPU. It may be a view: read it, drop it.
  virtual at::Tensor read(const PartTensor& tensor) const = 0;
};

// Those of a pipeline in memory.
class PipelineTensors : public TensorSource {
 public:
  explicit PipelineTensors(const Pipeline& pipeline);
  DType dtype(const PartTensor& tensor) const override;
  at::Tensor read(const PartTensor& tensor) const override;

 private:
  const at::Tensor& find(const PartTensor& tensor) const;
  std::map<std::pair<PipelinePart, std::string>, at::Tensor> tensors_;
};

// Those of a diffusers folder.
class FolderTensors : public TensorSource {
 public:
  // Throws as PartFiles does: `wanted` must be in the folder, and nothing else.
  FolderTensors(const std::filesystem::path& folder, const std::vector<PartTensor>& wanted);
  DType dtype(const PartTensor& tensor) const override;
  at::Tensor read(const PartTensor& tensor) const override;

 private:
  std::map<PipelinePart, PartFiles> parts_;
};

}  // namespace sarsweep::trainer
