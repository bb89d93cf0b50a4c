#include "trainer/torch/training/adamw.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <ATen/record_function.h>
#include <fmt/format.h>
#ifdef SARSWEEP_CUDA
#include <c10/cuda/CUDAStream.h>
#endif

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "trainer/cuda/adamw.h"

namespace sarsweep::trainer {
namespace {

// Numbers that one task of a thread takes: enough to forget what a task costs.
constexpr std::int64_t kTask = 16384;

struct Task {
  std::size_t tensor;
  std::int64_t begin, end;
};

template <class Sizes>
std::vector<Task> tasks_of(const std::vector<Sizes>& tensors) {
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    for (std::int64_t begin = 0; begin < tensors[i].size; begin += kTask) {
      tasks.push_back({i, begin, std::min(begin + kTask, tensors[i].size)});
    }
  }
  return tasks;
}

// run(index, task) of every task, shared between the threads.
template <class Run>
void run_tasks(const std::vector<Task>& tasks, Run run) {
  at::parallel_for(
      0, static_cast<std::int64_t>(tasks.size()), 1, [&](std::int64_t first, std::int64_t last) {
        for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
          run(i, tasks[i]);
        }
      });
}

void step_on_cpu(const std::vector<AdamWTensor>& tensors, const AdamWRates& rates,
                 const AdamWScale& scale) {
  run_tasks(tasks_of(tensors), [&](std::size_t /*index*/, const Task& task) {
    adamw(tensors[task.tensor], task.begin, task.end, rates, scale);
  });
}

void step_all(const std::vector<AdamWTensor>& tensors, const AdamWRates& rates,
              const StepScale& scale) {
  RECORD_FUNCTION("sarsweep::adamw", std::vector<c10::IValue>());
  const AdamWScale where = {scale.divisor.const_data_ptr<float>(),
                            scale.finite.const_data_ptr<float>()};
  if (scale.finite.is_cpu()) {
    step_on_cpu(tensors, rates, where);
    return;
  }
#ifdef SARSWEEP_CUDA
  adamw_on_device(tensors, rates, where, c10::cuda::getCurrentCUDAStream().stream());
#else
  throw Error(ErrorCode::internal, "this build has no AdamW for a GPU");
#endif
}

}  // namespace

AdamW::AdamW(std::vector<ParameterGroup> groups, AdamWOptions options)
    : groups_(std::move(groups)), slots_(groups_.size()), options_(options) {
  for (std::size_t g = 0; g < groups_.size(); ++g) slots_[g].resize(groups_[g].tensors.size());
}

void AdamW::step(double multiplier, const std::vector<StepScale>& scales) {
  const c10::NoGradGuard no_grad;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    std::vector<AdamWTensor> tensors;
    std::vector<at::Tensor> gradients;  // alive until the step is under way
    for (std::size_t i = 0; i < slots_[g].size(); ++i) {
      const at::Tensor& parameter = groups_[g].tensors[i].second;
      Slot& slot = slots_[g][i];
      slot.stepping = parameter.grad().defined();
      if (!slot.stepping) continue;
      if (!slot.exp_avg.defined()) {
        slot.exp_avg = at::zeros_like(parameter);
        slot.exp_avg_sq = at::zeros_like(parameter);
      }
      gradients.push_back(parameter.grad().contiguous());
      parameter.unsafeGetTensorImpl()->bump_version();  // it is written to behind autograd's back
      tensors.push_back(
          {parameter.mutable_data_ptr<float>(), slot.exp_avg.mutable_data_ptr<float>(),
           slot.exp_avg_sq.mutable_data_ptr<float>(), gradients.back().const_data_ptr<float>(),
           parameter.numel(), slot.steps + 1});
    }
    const AdamWRates rates = {groups_[g].lr * multiplier, options_.beta1, options_.beta2,
                              options_.eps, groups_[g].decays ? options_.weight_decay : 0.0};
    if (!tensors.empty()) step_all(tensors, rates, scales.at(g));
  }
}

void AdamW::settle(bool finite) {
  for (std::vector<Slot>& slots : slots_) {
    for (Slot& slot : slots) {
      if (slot.stepping && finite) ++slot.steps;
      slot.stepping = false;
    }
  }
}

at::Tensor sum_of_squares(const std::vector<at::Tensor>& tensors) {
  RECORD_FUNCTION("sarsweep::sum_of_squares", std::vector<c10::IValue>());
  if (!tensors.front().is_cpu()) {
    return at::linalg_vector_norm(at::stack(at::_foreach_norm(tensors))).to(at::kDouble).square();
  }
  struct Values {
    at::Tensor held;
    std::int64_t size;
  };
  std::vector<Values> values;
  for (const at::Tensor& tensor : tensors) values.push_back({tensor.contiguous(), tensor.numel()});
  const std::vector<Task> tasks = tasks_of(values);
  std::vector<double> sums(tasks.size());
  run_tasks(tasks, [&](std::size_t index, const Task& task) {
    const float* held = values[task.tensor].held.const_data_ptr<float>();
    sums[index] = sum_of_squares(held, task.begin, task.end);
  });
  return at::scalar_tensor(std::accumulate(sums.begin(), sums.end(), 0.0), at::kDouble);
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
      if (slot.steps == 0) continue;
      const std::string& name = groups_[g].tensors[i].first;
      state.emplace_back(name + ".exp_avg", slot.exp_avg.clone());
      state.emplace_back(name + ".exp_avg_sq", slot.exp_avg_sq.clone());
      state.emplace_back(name + ".step",
                         at::full({1}, static_cast<double>(slot.steps), at::kFloat));
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
                      std::llround(take(name + ".step", parameter, scalar).item<double>())};
    }
  }
  if (used != state.size()) {
    throw Error(ErrorCode::invalid,
                fmt::format("the optimizer's state holds {} tensors that no trained tensor has",
                            state.size() - used));
  }
}

}  // namespace sarsweep::trainer
