#include "coordinator/sweep/wandb_names.h"

#include <algorithm>
#include <array>

#include "schema/config/fields.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

struct Name {
  std::string_view parameter, field;
};

constexpr std::array kNames = {
    Name{"pretrained_model_name_or_path", "model.path"},
    Name{"train_data_dir", "data.path"},
    Name{"resolution", "data.resolution"},
    Name{"caption_column", "data.caption_column"},
    Name{"proportion_empty_prompts", "prompt.dropout"},
    Name{"caption_dropout_rate", "prompt.dropout"},
    Name{"learning_rate", "unet.lr"},
    Name{"lr", "unet.lr"},
    Name{"unet_lr", "unet.lr"},
    Name{"rank", "unet.rank"},
    Name{"network_dim", "unet.rank"},
    Name{"network_alpha", "unet.alpha"},
    Name{"lora_alpha", "unet.alpha"},
    Name{"lora_dropout", "unet.dropout"},
    Name{"network_dropout", "unet.dropout"},
    Name{"train_text_encoder", "text_encoders.mode"},
    Name{"text_encoder_lr", "text_encoders.lr"},
    Name{"learning_rate_te1", "text_encoder_1.lr"},
    Name{"learning_rate_te2", "text_encoder_2.lr"},
    Name{"num_train_epochs", "train.epochs"},
    Name{"max_train_epochs", "train.epochs"},
    Name{"max_train_steps", "train.steps"},
    Name{"noise_offset", "train.noise_offset"},
    Name{"snr_gamma", "train.min_snr_gamma"},
    Name{"min_snr_gamma", "train.min_snr_gamma"},
    Name{"prediction_type", "train.prediction"},
    Name{"optimizer", "train.optimizer"},
    Name{"optimizer_type", "train.optimizer"},
    Name{"adam_weight_decay", "train.weight_decay"},
    Name{"weight_decay", "train.weight_decay"},
    Name{"adam_epsilon", "train.eps"},
    Name{"max_grad_norm", "train.clip_norm"},
    Name{"lr_scheduler", "train.schedule"},
    Name{"lr_warmup_steps", "train.warmup"},
    Name{"ema_decay", "train.ema_decay"},
    Name{"mixed_precision", "train.precision"},
    Name{"gradient_checkpointing", "train.gradient_checkpointing"},
    Name{"checkpointing_steps", "checkpoint.every"},
    Name{"save_every_n_steps", "checkpoint.every"},
};

struct Word {
  std::string_view field;
  json theirs, ours;
};

const std::vector<Word>& words() {
  static const std::vector<Word> all = {
      {"text_encoders.mode", true, "lora"},
      {"text_encoders.mode", false, "frozen"},
      {"train.prediction", "v_prediction", "v"},
      {"train.optimizer", "AdamW", "adamw"},
      {"train.schedule", "constant_with_warmup", "constant"},
      {"train.precision", "no", "fp32"},
      {"train.precision", nullptr, "fp32"},
      {"train.gradient_checkpointing", true, "block"},
      {"train.gradient_checkpointing", false, "none"},
  };
  return all;
}

}  // namespace

std::string field_of_parameter(std::string_view parameter) {
  const auto* known = std::find_if(kNames.begin(), kNames.end(), [parameter](const Name& name) {
    return name.parameter == parameter;
  });
  if (known != kNames.end()) return std::string(known->field);
  std::string own(parameter);
  const bool both = own.rfind("text_encoders.", 0) == 0;
  const std::string looked_up = both ? "text_encoder_1" + own.substr(own.find('.')) : own;
  return config::find_field(looked_up) != nullptr ? own : std::string();
}

json value_in_field(const std::string& field, const json& value) {
  for (const Word& word : words()) {
    if (word.field == field && word.theirs == value) return word.ours;
  }
  return value;
}

}  // namespace sarsweep::sweep
