#include "trainer/torch/training/adamw.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/record_function.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#ifdef SARSWEEP_CUDA
#include <c10/cuda/CUDAStream.h>
#endif

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <unordered_map>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "trainer/kernels/adamw.h"

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

// Runs when a gradient has been added to its tensor's. The first of an update was made elsewhere
// and taken over whole; what comes after is added where that lies.
class MoveGradient final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit MoveGradient(at::Tensor place) : place_(std::move(place)) {}
  void operator()(const at::Tensor& tensor) override {
    at::Tensor& gradient = tensor.mutable_grad();
    if (!gradient.defined() || gradient.is_same(place_)) return;
    const c10::NoGradGuard no_grad;
    place_.copy_(gradient);
    gradient = place_;
  }

 private:
  at::Tensor place_;
};

}  // namespace

AdamW::AdamW(std::vector<ParameterGroup> groups, AdamWOptions options)
    : groups_(std::move(groups)), states_(groups_.size()), options_(options) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    states_[g].layout = FlatLayout(groups_[g].tensors);
    states_[g].slots.resize(groups_[g].tensors.size());
    move_into_buffer(groups_[g].tensors, states_[g].layout);
  }
}

void AdamW::keep_copies(const ComputeCopies& copies) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const NamedTensors& tensors = groups_[g].tensors;
    at::Tensor buffer;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const auto found = copies.find(tensors[i].second.unsafeGetTensorImpl());
      if (found == copies.end()) continue;
      if (!buffer.defined()) buffer = states_[g].layout.make_buffer(tensors, at::kBFloat16);
      Slot& slot = states_[g].slots[i];
      slot.copy = found->second;
      slot.narrow = states_[g].layout.place(buffer, i);
      slot.copy->lie_in(slot.narrow);
    }
  }
}

void AdamW::keep_gradients_together() {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    ParameterGroup& group = groups_[g];
    const FlatLayout& layout = states_[g].layout;
    group.gradients = layout.places(layout.make_buffer(group.tensors, at::kFloat));
    for (std::size_t i = 0; i < group.tensors.size(); ++i) {
      torch::autograd::impl::set_post_acc_grad_hooks(
          group.tensors[i].second, std::make_unique<MoveGradient>(group.gradients[i]));
    }
  }
}

void AdamW::make_moments(std::size_t group) {
  State& state = states_[group];
  if (!state.exp_avg.empty()) return;
  for (std::vector<at::Tensor>* moments : {&state.exp_avg, &state.exp_avg_sq}) {
    *moments = state.layout.places(state.layout.make_buffer(groups_[group].tensors, at::kFloat));
  }
}

// The weight and its copy are written to behind autograd's back.
AdamWTensor AdamW::begin_step(std::size_t group, std::size_t i, const at::Tensor& gradient) {
  State& state = states_[group];
  Slot& slot = state.slots[i];
  const at::Tensor& weight = groups_[group].tensors[i].second;
  const bool copied = slot.copy != nullptr && slot.copy->is_current(weight, slot.narrow);
  weight.unsafeGetTensorImpl()->bump_version();
  AdamWTensor tensor = {weight.mutable_data_ptr<float>(),
                        state.exp_avg[i].mutable_data_ptr<float>(),
                        state.exp_avg_sq[i].mutable_data_ptr<float>(),
                        gradient.const_data_ptr<float>(),
                        weight.numel(),
                        slot.steps + 1};
  if (copied) {
    slot.narrow.unsafeGetTensorImpl()->bump_version();
    slot.copy->follow(weight);
    tensor.narrow = static_cast<std::uint16_t*>(slot.narrow.mutable_data_ptr());
  }
  return tensor;
}

void AdamW::step(double multiplier, const std::vector<StepScale>& scales) {
  const c10::NoGradGuard no_grad;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    std::vector<AdamWTensor> tensors;
    std::vector<at::Tensor> gradients;  // alive until the step is under way
    for (std::size_t i = 0; i < states_[g].slots.size(); ++i) {
      const at::Tensor& gradient = groups_[g].tensors[i].second.grad();
      states_[g].slots[i].stepping = gradient.defined();
      if (!gradient.defined()) continue;
      make_moments(g);
      gradients.push_back(gradient.contiguous());
      tensors.push_back(begin_step(g, i, gradients.back()));
    }
    const AdamWRates rates = {groups_[g].lr * multiplier, options_.beta1, options_.beta2,
                              options_.eps, groups_[g].decays ? options_.weight_decay : 0.0};
    if (!tensors.empty()) step_all(tensors, rates, scales.at(g));
  }
}

void AdamW::settle(bool finite) {
  for (State& state : states_) {
    for (Slot& slot : state.slots) {
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
    for (std::size_t i = 0; i < states_[g].slots.size(); ++i) {
      const Slot& slot = states_[g].slots[i];
      if (slot.steps == 0) continue;
      const std::string& name = groups_[g].tensors[i].first;
      state.emplace_back(name + ".exp_avg", states_[g].exp_avg[i].clone());
      state.emplace_back(name + ".exp_avg_sq", states_[g].exp_avg_sq[i].clone());
      state.emplace_back(name + ".step",
                         at::full({1}, static_cast<double>(slot.steps), at::kFloat));
    }
  }
  return state;
}

void AdamW::load_state(const NamedTensors& state) {
  const c10::NoGradGuard no_grad;
  std::unordered_map<std::string, const at::Tensor*> given;
  for (const auto& [name, tensor] : state) given.emplace(name, &tensor);
  std::size_t used = 0;
  const auto take = [&](const std::string& name, at::IntArrayRef shape) -> const at::Tensor& {
    const auto found = given.find(name);
    if (found == given.end() || found->second->sizes() != shape) {
      throw Error(ErrorCode::invalid,
                  fmt::format("the optimizer's tensor '{}' is missing or has another shape", name));
    }
    ++used;
    return *found->second;
  };
  const std::vector<std::int64_t> scalar = {1};
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (std::size_t i = 0; i < states_[g].slots.size(); ++i) {
      const auto& [name, parameter] = groups_[g].tensors[i];
      states_[g].slots[i].steps = 0;
      if (!given.contains(name + ".step")) continue;  // never stepped
      make_moments(g);
      states_[g].exp_avg[i].copy_(take(name + ".exp_avg", parameter.sizes()));
      states_[g].exp_avg_sq[i].copy_(take(name + ".exp_avg_sq", parameter.sizes()));
      states_[g].slots[i].steps = std::llround(take(name + ".step", scalar).item<double>());
    }
  }
  if (used != state.size()) {
    throw Error(ErrorCode::invalid,
                fmt::format("the optimizer's state holds {} tensors that no trained tensor has",
                            state.size() - used));
  }
}

}  // namespace sarsweep::trainer
