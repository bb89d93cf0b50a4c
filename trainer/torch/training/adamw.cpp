#include "trainer/torch/training/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <unordered_map>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

// The tensors of one group that have a gradient, as the fused kernel wants them.
struct StepLists {
  std::vector<at::Tensor> parameters, gradients, exp_avgs, exp_avg_sqs, steps;
};

}  // namespace

AdamW::AdamW(std::vector<ParameterGroup> groups, AdamWOptions options)
    : groups_(std::move(groups)), slots_(groups_.size()), options_(options) {
  for (std::size_t g = 0; g < groups_.size(); ++g) slots_[g].resize(groups_[g].tensors.size());
}

void AdamW::step(double multiplier, const std::vector<at::Tensor>& divisors) {
  const c10::NoGradGuard no_grad;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    StepLists lists;
    for (std::size_t i = 0; i < slots_[g].size(); ++i) {
      const at::Tensor& parameter = groups_[g].tensors[i].second;
      if (!parameter.grad().defined()) continue;
      Slot& slot = slots_[g][i];
      if (!slot.step.defined()) {
        slot.exp_avg = at::zeros_like(parameter);
        slot.exp_avg_sq = at::zeros_like(parameter);
        slot.step = at::zeros({1}, parameter.options());
      }
      lists.parameters.push_back(parameter);
      lists.gradients.push_back(parameter.grad());
      lists.exp_avgs.push_back(slot.exp_avg);
      lists.exp_avg_sqs.push_back(slot.exp_avg_sq);
      lists.steps.push_back(slot.step);
    }
    if (lists.parameters.empty()) continue;
    const bool divided = !divisors.empty() && divisors[g].defined();
    const std::optional<at::Tensor> scale = divided ? std::optional(divisors[g]) : std::nullopt;
    at::_foreach_add_(lists.steps, 1);
    at::_fused_adamw_(lists.parameters, lists.gradients, lists.exp_avgs, lists.exp_avg_sqs, {},
                      lists.steps, groups_[g].lr * multiplier, options_.beta1, options_.beta2,
                      groups_[g].decays ? options_.weight_decay : 0.0, options_.eps,
                      /*amsgrad=*/false, /*maximize=*/false, scale);
  }
}

void AdamW::zero_grad() {
  for (ParameterGroup& group : groups_) {
    for (auto& [name, tensor] : group.tensors) tensor.mutable_grad().reset();
  }
}

NamedTensors AdamW::gradients() const {
  NamedTensors found;
  for (const ParameterGroup& group : groups_) {
    for (const auto& [name, tensor] : group.tensors) {
      if (tensor.grad().defined()) found.emplace_back(name, tensor.grad());
    }
  }
  return found;
}

NamedTensors AdamW::state() const {
  NamedTensors state;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < slots_[g].size(); ++i) {
      const Slot& slot = slots_[g][i];
      if (!slot.step.defined()) continue;
      const std::string& name = groups_[g].tensors[i].first;
      state.emplace_back(name + ".exp_avg", slot.exp_avg.clone());
      state.emplace_back(name + ".exp_avg_sq", slot.exp_avg_sq.clone());
      state.emplace_back(name + ".step", slot.step.clone());
    }
  }
  return state;
}

void AdamW::load_state(const NamedTensors& state) {
  std::unordered_map<std::string, const at::Tensor*> given;
  for (const auto& [name, tensor] : state) given.emplace(name, &tensor);
  std::size_t used = 0;
  const auto take = [&](const std::string& name, const at::Tensor& parameter,
                        at::IntArrayRef shape) {
    const auto found = given.find(name);
    if (found == given.end() || found->second->sizes() != shape) {
      throw Error(ErrorCode::invalid,
                  fmt::format("the optimizer's tensor '{}' is missing or has another shape", name));
    }
    ++used;
    return found->second->to(parameter.options()).clone();
  };
  const std::vector<std::int64_t> scalar = {1};
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < slots_[g].size(); ++i) {
      const auto& [name, parameter] = groups_[g].tensors[i];
      slots_[g][i] = {};
      if (!given.contains(name + ".step")) continue;  // never stepped
      slots_[g][i] = {take(name + ".exp_avg", parameter, parameter.sizes()),
                      take(name + ".exp_avg_sq", parameter, parameter.sizes()),
                      take(name + ".step", parameter, scalar)};
    }
  }
  if (used != state.size()) {
    throw Error(ErrorCode::invalid,
                fmt::format("the optimizer's state holds {} tensors that no trained tensor has",
                            state.size() - used));
  }
}

}  // namespace sarsweep::trainer
