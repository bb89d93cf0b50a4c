#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "trainer/core/files/safetensors.h"
#include "trainer/torch/clip/clip_model.h"

namespace sarsweep::trainer {

// A CLIP model as a run starts from it, or judges by it.
struct ClipSource {
  ClipModel model;
  // SHA-256 over what it computes: weights as fp32, sizes, activations, normalisation; wherever and
  // in whatever format the files lie.
  std::string digest;
};

enum class ClipFormat {
  // A transformers folder: config.json of model_type clip, model.safetensors (or an index of
  // several, or their fp16 variants), tokenizer, preprocessor_config.json.
  transformers,
  // open_clip's weights, in a folder with open_clip_config.json or as one .safetensors file.
  // Without
  // that document beside them sizes follow from the shapes (clip_config_of_shapes), and pictures
  // are normalised as CLIP's own. The tokenizer is CLIP's unless another lies beside the weights.
  open_clip,
  checkpoint  // of a run of job clip
};

struct ClipPlace {
  ClipFormat format = ClipFormat::transformers;
  std::filesystem::path path;  // a folder, or the file of open_clip's weights
};
// The CLIP model that `path` leads to; nullopt: it is something else, or nothing.
std::optional<ClipPlace> find_clip(const std::filesystem::path& path);

// Without reading weights; of a checkpoint those of the model it lies over.
ClipConfig read_clip_config(const ClipPlace& place);
DType stored_dtype(const ClipPlace& place);

// Weights become fp32 on the CPU. Throws Error(not_found) or Error(invalid) naming the path that is
// at fault and the tensors that are missing or unexpected.
ClipSource load_clip(const std::filesystem::path& path);

std::string clip_digest(const ClipModel& model);

// Writes a folder that transformers' CLIPModel loads, whole or not at all. dtype: f32, f16 or bf16;
// the logit scale is always f32. Throws Error(conflict) if `folder` exists and is not empty.
void save_clip(const ClipModel& model, const std::filesystem::path& folder, DType dtype);

}  // namespace sarsweep::trainer
