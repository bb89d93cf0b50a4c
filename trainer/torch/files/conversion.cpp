#include "trainer/torch/files/conversion.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "schema/base/error.h"
#include "trainer/torch/files/inspection.h"
#include "trainer/torch/files/lora_file.h"
#include "trainer/torch/files/model_source.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/single_file.h"
#include "trainer/torch/files/vocabulary.h"
#include "trainer/torch/model/learned_tokens.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Metadata = std::map<std::string, std::string>;

bool is_lora(FileFormat format) {
  return format == FileFormat::kohya_lora || format == FileFormat::peft_lora;
}

LoraFormat lora_format(FileFormat format) {
  return format == FileFormat::kohya_lora ? LoraFormat::kohya : LoraFormat::peft;
}

[[noreturn]] void refuse(const Conversion& conversion, const std::string& reason) {
  throw Error(ErrorCode::invalid,
              fmt::format("{} cannot be converted: {}", conversion.from.string(), reason));
}

void write_model(const Conversion& conversion, const PipelineDocuments& documents,
                 const TensorSource& weights, const Metadata& metadata) {
  if (conversion.format == FileFormat::folder) {
    save_pipeline(documents, weights, conversion.to, conversion.dtype);
  } else {
    save_single_file(documents.configs, weights, conversion.to, conversion.dtype, metadata);
  }
}

void convert_folder(const Conversion& conversion) {
  const PipelineDocuments documents = read_documents(conversion.from);
  const FolderTensors weights(conversion.from, pipeline_tensors(documents.configs));
  write_model(conversion, documents, weights, {});
}

PipelineDocuments documents_for(const Conversion& conversion, const SafetensorsFile& file) {
  if (conversion.config.empty()) {
    return make_documents(single_file_configs(file),
                          vocabulary_file(conversion.vocabulary.string()));
  }
  PipelineDocuments documents = read_documents(conversion.config);
  adopt_file_facts(file, documents.configs);
  return documents;
}

void convert_single_file(const Conversion& conversion) {
  const SafetensorsFile file(conversion.from);
  const PipelineDocuments documents = documents_for(conversion, file);
  const SingleFileTensors weights(file, pipeline_tensors(documents.configs));
  write_model(conversion, documents, weights, file.metadata());
}

void convert_checkpoint(const Conversion& conversion) {
  ModelSource source = load_model(conversion.from);
  const DType dtype = conversion.dtype.value_or(DType::f32);
  if (is_lora(conversion.format)) {
    save_lora(conversion.to, source.pipeline, lora_format(conversion.format), dtype);
    return;
  }
  for (Component* part : std::array<Component*, 3>{
           &source.pipeline.unet, &source.pipeline.text_encoder, &source.pipeline.text_encoder_2}) {
    merge_adapters(*part);
  }
  if (conversion.format == FileFormat::folder) {
    merge_learned_tokens(source.pipeline);
    save_pipeline(source.pipeline, conversion.to, dtype);
  } else {
    save_single_file(source.pipeline, conversion.to, dtype);
  }
}

// The type of the first factor, if save_lora writes it; alphas say nothing about it.
DType stored_dtype(const SafetensorsFile& file) {
  const auto factor = std::find_if(file.entries().begin(), file.entries().end(),
                                   [](const TensorEntry& entry) { return entry.shape.size() > 1; });
  const bool known = factor != file.entries().end() &&
                     (factor->dtype == DType::f16 || factor->dtype == DType::bf16);
  return known ? factor->dtype : DType::f32;
}

// What a LoRA file says about itself that stays true in another format.
Metadata lasting_metadata(Metadata metadata) {
  for (const char* key :
       {"format", "lora_adapter_metadata", "ss_network_dim", "ss_network_alpha", "ss_network_args",
        "sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256"}) {
    metadata.erase(key);
  }
  return metadata;
}

// The model the file's adapters belong to, with them attached. All presets are tried, the largest
// first, whose complaint is the one to hear if none fits.
PipelineSkeleton adapted_skeleton(const Conversion& conversion) {
  if (!conversion.config.empty()) {
    PipelineSkeleton skeleton(read_configs(conversion.config));
    load_lora(conversion.from, lora_layers(skeleton));
    return skeleton;
  }
  std::string complaint;
  for (const char* preset : {"sdxl", "small", "tiny"}) {
    try {
      PipelineSkeleton skeleton(preset_configs(preset));
      load_lora(conversion.from, lora_layers(skeleton));
      return skeleton;
    } catch (const Error& error) {
      if (complaint.empty()) complaint = error.what();
    }
  }
  throw Error(ErrorCode::invalid, complaint + " (name a folder with its model's configuration?)");
}

void convert_lora(const Conversion& conversion) {
  const SafetensorsFile file(conversion.from);
  PipelineSkeleton skeleton = adapted_skeleton(conversion);
  save_lora(conversion.to, lora_layers(skeleton), lora_format(conversion.format),
            conversion.dtype.value_or(stored_dtype(file)), lasting_metadata(file.metadata()));
}

void require_possible(const Conversion& conversion, ModelFileKind kind) {
  if (fs::exists(conversion.to)) {
    refuse(conversion,
           fmt::format("{} exists already; name another target", conversion.to.string()));
  }
  if (kind == ModelFileKind::embeddings || kind == ModelFileKind::tensors) {
    refuse(conversion, fmt::format("it is neither a model nor adapters, but {}", to_string(kind)));
  }
  const bool adapters = kind == ModelFileKind::kohya_lora || kind == ModelFileKind::peft_lora;
  if (adapters && !is_lora(conversion.format)) {
    refuse(conversion, "it holds adapters alone; convert them to kohya-lora or peft-lora");
  }
  const bool whole = kind == ModelFileKind::pipeline_folder || kind == ModelFileKind::single_file;
  if (whole && is_lora(conversion.format)) {
    refuse(conversion,
           "it holds a whole model without adapters; convert it to folder or "
           "single-file");
  }
}

}  // namespace

void convert(const Conversion& conversion) {
  const ModelFileKind kind = model_file_kind(conversion.from);
  require_possible(conversion, kind);
  switch (kind) {
    case ModelFileKind::pipeline_folder: return convert_folder(conversion);
    case ModelFileKind::single_file: return convert_single_file(conversion);
    case ModelFileKind::checkpoint: return convert_checkpoint(conversion);
    default: return convert_lora(conversion);
  }
}

}  // namespace sarsweep::trainer
