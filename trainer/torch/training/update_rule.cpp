#include "trainer/torch/training/update_rule.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

constexpr double kNormFloor = 1e-6;  // torch.nn.utils.clip_grad_norm_'s

AdamWOptions adamw_options(const TrainConfig& config) {
  return {config.betas[0], config.betas[1], config.eps, config.weight_decay};
}

// fp32 scalar; the norm of the tensors' norms, as clip_grad_norm_ computes it.
at::Tensor total_norm(const NamedTensors& gradients) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(gradients.size());
  for (const auto& [name, gradient] : gradients) tensors.push_back(gradient);
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(tensors)));
}

}  // namespace

UpdateRule::UpdateRule(std::vector<ParameterGroup> groups, const TrainConfig& config,
                       LrSchedule schedule)
    : optimizer_(std::move(groups), adamw_options(config)),
      clip_norm_(config.clip_norm),
      ema_decay_(config.ema_decay),
      schedule_(schedule) {
  if (!ema_decay_) return;
  for (const auto& [name, tensor] : weights()) {
    averages_.emplace_back(name, tensor.detach().clone());
  }
}

UpdateOutcome UpdateRule::apply(std::int64_t index) {
  const c10::NoGradGuard no_grad;
  const double multiplier = schedule_.multiplier(index);
  UpdateOutcome outcome;
  for (const ParameterGroup& group : groups()) {
    outcome.learning_rates[group.name] = group.lr * multiplier;
  }
  const NamedTensors gradients = optimizer_.gradients();
  if (gradients.empty()) {
    throw Error(ErrorCode::internal, "an update was asked for without a backward pass before it");
  }
  const at::Tensor norm = total_norm(gradients);
  outcome.grad_norm = norm.item<double>();
  outcome.finite = std::isfinite(outcome.grad_norm);
  if (outcome.finite) {
    const bool clips = outcome.grad_norm + kNormFloor > clip_norm_;
    optimizer_.step(multiplier, clips ? (norm + kNormFloor) / clip_norm_ : at::Tensor());
    average(index);
  }
  optimizer_.zero_grad();
  return outcome;
}

void UpdateRule::average(std::int64_t index) {
  if (!ema_decay_) return;
  const auto s = static_cast<double>(index);
  const double keep = index == 0 ? 0.0 : std::min(*ema_decay_, (1.0 + s) / (10.0 + s));
  const NamedTensors current = weights();
  for (std::size_t i = 0; i < current.size(); ++i) {
    averages_[i].second.lerp_(current[i].second, 1.0 - keep);
  }
}

void UpdateRule::load_averages(const NamedTensors& averages) {
  if (averages.size() != averages_.size()) {
    throw Error(ErrorCode::invalid, "the averaged weights are not those of this run");
  }
  const std::vector<ParameterGroup> targets = {{"averages", 0, averages_}};
  load_tensors_into(targets, averages);
}

}  // namespace sarsweep::trainer
