#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

// The names that training scripts give their arguments (diffusers' train_*_sdxl.py, kohya's
// sdxl_train*.py), and so the parameters of W&B sweeps over them, as fields of ours.
namespace sarsweep::sweep {

// What the scripts multiply to the images of an update; the one without the other is no field.
inline constexpr std::string_view kImagesOfAPass = "train_batch_size";
inline constexpr std::string_view kPassesOfAnUpdate = "gradient_accumulation_steps";

// "unet.rank" for "network_dim"; a field's own name for itself; empty where there is none.
std::string field_of_parameter(std::string_view parameter);

// The value in the field's words: "v" for "v_prediction"; itself where the words are the same.
nlohmann::json value_in_field(const std::string& field, const nlohmann::json& value);

}  // namespace sarsweep::sweep
