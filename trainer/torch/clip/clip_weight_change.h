#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

namespace sarsweep::trainer {

// weight_change.h for two CLIP models that load_clip understands, with "image" and "text" for
// parts.
nlohmann::json clip_weight_changes(const std::filesystem::path& base,
                                   const std::filesystem::path& tuned);

}  // namespace sarsweep::trainer
