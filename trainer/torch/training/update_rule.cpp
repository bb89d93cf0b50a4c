#include "trainer/torch/training/update_rule.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <array>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

constexpr double kNormFloor = 1e-6;  // torch.nn.utils.clip_grad_norm_'s

AdamWOptions adamw_options(const TrainConfig& config) {
  return {config.betas[0], config.betas[1], config.eps, config.weight_decay};
}

// What is clipped together: 1 for the VAE, 0 for all else.
std::size_t part_of(const ParameterGroup& group) { return group.name == "vae" ? 1 : 0; }

}  // namespace

UpdateRule::UpdateRule(std::vector<ParameterGroup> groups, const TrainConfig& config,
                       LrSchedule schedule)
    : optimizer_(std::move(groups), adamw_options(config)),
      clip_norm_(config.clip_norm),
      clip_by_part_(config.clip_by_part),
      ema_decay_(config.ema_decay),
      schedule_(schedule) {
  if (!ema_decay_) return;
  for (const auto& [name, tensor] : weights()) {
    averages_.emplace_back(name, tensor.detach().clone());
  }
}

UpdateOutcome UpdateRule::apply(std::int64_t index, const at::Tensor& loss) {
  const c10::NoGradGuard no_grad;
  const double multiplier = schedule_.multiplier(index);
  UpdateOutcome outcome;
  for (const ParameterGroup& group : groups()) {
    outcome.learning_rates[group.name] = group.lr * multiplier;
  }
  const Norms norms = measure(loss);
  if (norms.whole.defined()) {
    optimizer_.step(multiplier, norms.of_groups);
    outcome.grad_norm = norms.whole.item<double>();
    outcome.finite = norms.finite.item<float>() != 0;
    optimizer_.settle(outcome.finite);
  } else if (loss.defined()) {
    outcome.finite = at::isfinite(loss).all().item<bool>();
  }
  if (outcome.finite) average(index);
  optimizer_.zero_grad();
  return outcome;
}

UpdateRule::Norms UpdateRule::measure(const at::Tensor& loss) const {
  std::array<std::vector<at::Tensor>, 2> gradients;
  for (const ParameterGroup& group : groups()) {
    auto& part = gradients[clip_by_part_ ? part_of(group) : 0];
    for (const auto& [name, tensor] : group.tensors) {
      if (tensor.grad().defined()) part.push_back(tensor.grad());
    }
  }
  Norms norms;
  std::array<at::Tensor, 2> divisors;
  at::Tensor squares;
  for (std::size_t part = 0; part < gradients.size(); ++part) {
    if (gradients[part].empty()) continue;
    const at::Tensor sum = sum_of_squares(gradients[part]);
    divisors[part] = ((sum.sqrt() + kNormFloor) / clip_norm_).clamp_min(1).to(at::kFloat);
    squares = squares.defined() ? squares + sum : sum;
  }
  if (!squares.defined()) return norms;
  norms.whole = squares.sqrt();
  const at::Tensor sound = loss.defined() ? norms.whole + loss.to(at::kDouble).sum() : norms.whole;
  norms.finite = at::isfinite(sound).to(at::kFloat);
  for (const ParameterGroup& group : groups()) {
    norms.of_groups.push_back({divisors[clip_by_part_ ? part_of(group) : 0], norms.finite});
  }
  return norms;
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
  const std::vector<ParameterGroup> targets = {{"averages", 0, true, averages_}};
  load_tensors_into(targets, averages);
}

}  // namespace sarsweep::trainer
