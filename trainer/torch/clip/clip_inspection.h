#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

namespace sarsweep::trainer {

// What a CLIP model is, without reading its weights: {"path", "kind", "image_size",
// "normalisation", "dtype", "projection", "parameters", "towers": {"image", "text": {"layers",
// "width", "heads", "activation", "parameters", "patch_size" | "context"}}}. `path`: find_clip
// finds one there, and no checkpoint.
nlohmann::json inspect_clip(const std::filesystem::path& path);

}  // namespace sarsweep::trainer
