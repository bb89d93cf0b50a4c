#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/files/safetensors.h"
#include "trainer/core/files/single_file_layout.h"
#include "trainer/torch/files/pipeline_tensors.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// SDXL in one file, as trainer/core/files/single_file_layout.h describes it. Such a file holds
// weights alone: configurations come from the preset whose tensors have the same shapes (or from a
// folder that the caller reads), tokenizers are CLIP's own, and what remains is told by
// modelspec.prediction_type ("v") or the marker tensor "v_pred".

// The config documents that fit the file, keyed as preset_configs() does. Throws Error(invalid) if
// it holds no SDXL or fits none of the presets.
nlohmann::json single_file_configs(const SafetensorsFile& file);

// Puts what the file itself says into the documents: the kind of prediction, and a logit_scale
// other than CLIP's usual as "logit_scale_init_value" of text_encoder_2, so that it survives in a
// folder.
void adopt_file_facts(const SafetensorsFile& file, nlohmann::json& configs);

// The weights in a single file.
class SingleFileTensors : public TensorSource {
 public:
  // `wanted`: of all four parts. Throws Error(invalid) with the names of missing and unexpected
  // tensors of these parts; other tensors (averaged weights, schedules) are passed over.
  SingleFileTensors(const SafetensorsFile& file, const std::vector<PartTensor>& wanted);
  SingleFileTensors(const SingleFileTensors&) = delete;
  SingleFileTensors& operator=(const SingleFileTensors&) = delete;
  DType dtype(const PartTensor& tensor) const override;
  at::Tensor read(const PartTensor& tensor) const override;

 private:
  struct Place {
    const TensorEntry* entry = nullptr;
    SingleFileLayout layout = SingleFileLayout::same;
    std::int64_t row = 0;  // of a stack: the first one
  };
  const Place& place(const PartTensor& tensor) const;

  const SafetensorsFile file_;
  std::map<std::pair<PipelinePart, std::string>, Place> places_;
};

// fp32 weights. Throws as above; no more memory than the model and its largest tensor.
Pipeline load_single_file(const std::filesystem::path& file,
                          const std::filesystem::path& vocabulary_gz);

// Writes the one file; without `dtype` each tensor in its own type. modelspec.* metadata is
// written; `metadata` is added and wins.
void save_single_file(const nlohmann::json& configs, const TensorSource& weights,
                      const std::filesystem::path& file, std::optional<DType> dtype,
                      const std::map<std::string, std::string>& metadata = {});
void save_single_file(const Pipeline& pipeline, const std::filesystem::path& file, DType dtype,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace sarsweep::trainer
