#include "trainer/torch/jobs/task_inputs.h"

#include <ATen/TensorOperators.h>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

void describe_adapters(AdapterTable& table, const std::string& component,
                       const NetworkConfig& config) {
  if (config.mode == TrainMode::frozen) return;  // keeps what the model came with
  table.erase(component);
  if (config.mode == TrainMode::lora)
    table[component] = {config.rank, config.alpha, config.targets};
}

}  // namespace

json model_document(const TaskInputs& inputs) {
  AdapterTable adapters = inputs.model.adapters;
  describe_adapters(adapters, "unet", inputs.config.unet);
  describe_adapters(adapters, "text_encoder", inputs.config.text_encoder_1);
  describe_adapters(adapters, "text_encoder_2", inputs.config.text_encoder_2);
  return {{"base", inputs.model_path},
          {"base_digest", inputs.model.digest},
          {"adapters", to_json(adapters)},
          {"tokens", inputs.model.pipeline.learned_tokens},
          {"uncond", zeros_for_empty_prompt(inputs.model.pipeline) ? "zeros" : "encode_empty"},
          {"pool", inputs.config.pool_at_greatest_id ? "hf_argmax" : "first_eos"},
          {"vae_scaling_factor", inputs.model.pipeline.vae.config().scaling_factor},
          {"prediction_type", inputs.model.pipeline.scheduler.prediction_type}};
}

void snapshot_rule(UpdateRule& rule, CheckpointContents& contents) {
  contents.weights = rule.weights();
  contents.optimizer = rule.optimizer().state();
  contents.ema = rule.averages();
}

void restore_rule(UpdateRule& rule, const CheckpointContents& contents) {
  load_tensors_into(rule.groups(), contents.weights);
  rule.optimizer().load_state(contents.optimizer);
  if (!contents.ema.empty()) rule.load_averages(contents.ema);
}

AveragedWeights::AveragedWeights(const UpdateRule& rule) {
  if (rule.averages().empty()) return;
  const c10::NoGradGuard no_grad;
  live_ = rule.weights();
  for (const auto& [name, tensor] : live_) saved_.emplace_back(name, tensor.detach().clone());
  load_tensors_into(rule.groups(), rule.averages());
}

AveragedWeights::~AveragedWeights() {
  const c10::NoGradGuard no_grad;
  for (std::size_t i = 0; i < saved_.size(); ++i) live_[i].second.copy_(saved_[i].second);
}

}  // namespace sarsweep::trainer
