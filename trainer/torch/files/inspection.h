#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "trainer/core/files/safetensors.h"

namespace sarsweep::trainer {

enum class ModelFileKind {
  pipeline_folder,  // as diffusers keeps it
  checkpoint,       // of a run
  single_file,      // SDXL in one file
  kohya_lora,
  peft_lora,   // or an older spelling of diffusers
  embeddings,  // clip_l, clip_g
  tensors      // any other safetensors file
};
std::string_view to_string(ModelFileKind kind);  // "pipeline folder", …

// Throws Error(not_found) if nothing is there, Error(invalid) if it is none of these.
ModelFileKind model_file_kind(const std::filesystem::path& path);
ModelFileKind model_file_kind(const SafetensorsFile& file);

// What a file or folder is, without reading its weights: {"path", "kind", "tensors", "parameters",
// "bytes", "dtypes": {"F16": tensors}} and
//   of a file             "metadata": {key: text}; JSON texts as the documents they are
//   of LoRA               "adapters": {component: {"layers", "ranks": [r…], "alphas": [a…],
//                         "targets": [module kinds]}}; alphas is empty where the file has none
//   of a pipeline folder  "class", "prediction_type", "parts": {name: {"tensors", …}}
//   of a checkpoint       "step", "base", "adapters": as the run described them
nlohmann::json inspect(const std::filesystem::path& path);

// The same for people, one fact a line.
std::string inspection_text(const nlohmann::json& inspection);

}  // namespace sarsweep::trainer
