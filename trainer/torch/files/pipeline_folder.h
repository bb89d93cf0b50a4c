#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include <nlohmann/json.hpp>

#include "trainer/core/files/safetensors.h"
#include "trainer/torch/files/pipeline_tensors.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// The config documents of a diffusers folder, keyed as preset_configs() does.
nlohmann::json read_configs(const std::filesystem::path& folder);
// Reads a diffusers folder (sharded index, fp16 and bf16 variant files, both text-encoder prefixes
// and the old VAE attention names included), one tensor after the other: no more memory than the
// model and its largest tensor. Weights become fp32. Throws Error(invalid) with a named list of
// missing or unexpected keys.
Pipeline load_pipeline(const std::filesystem::path& folder);
// Writes a folder that diffusers loads, into a temporary name first. dtype: f32, f16 or bf16.
// Throws Error(conflict) if `folder` exists and is not empty.
void save_pipeline(const Pipeline& pipeline, const std::filesystem::path& folder, DType dtype);

// All of a pipeline but its weights.
struct PipelineDocuments {
  nlohmann::json configs;  // keyed as preset_configs() does
  Tokenizer tokenizer, tokenizer_2;
};
PipelineDocuments read_documents(const std::filesystem::path& folder);
// `configs` with CLIP's own tokenizers.
PipelineDocuments make_documents(nlohmann::json configs,
                                 const std::filesystem::path& vocabulary_gz);
// A pipeline of uninitialised fp32 weights. Throws Error(invalid) if its parts do not fit.
Pipeline empty_pipeline(PipelineDocuments documents);
// What save_pipeline writes, from weights that lie elsewhere, one tensor after the other; without
// `dtype` each in its own type.
void save_pipeline(const PipelineDocuments& documents, const TensorSource& weights,
                   const std::filesystem::path& folder, std::optional<DType> dtype);

// Random weights (PyTorch's default initialisation by layer kind, from Philox): equal seed, equal
// bytes.
Pipeline init_pipeline(const nlohmann::json& configs, std::uint64_t seed,
                       const std::filesystem::path& vocabulary_gz);

}  // namespace sarsweep::trainer
