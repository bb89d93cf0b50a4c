#pragma once

#include <filesystem>
#include <optional>

#include "trainer/core/files/safetensors.h"
#include "trainer/torch/clip/clip_model.h"

namespace sarsweep::trainer {

// The weights that `path`, a folder or a file as open_clip writes them, leads to; nullopt: none.
std::optional<std::filesystem::path> open_clip_weights(const std::filesystem::path& path);

// Their description, by the document beside them or by their shapes.
ClipConfig open_clip_config(const std::filesystem::path& weights);
// The type of the towers' projections.
DType open_clip_dtype(const std::filesystem::path& weights);

// A model from such weights, with what lies beside them (clip_files.h). Throws Error(invalid)
// naming the file and the tensors that are missing, unexpected or of another shape.
ClipModel load_open_clip(const std::filesystem::path& weights);

}  // namespace sarsweep::trainer
