#include "trainer/torch/training/gradient_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

#include <cstddef>
#include <span>
#include <string>

#include <c10/core/GradMode.h>

namespace sarsweep::trainer {
namespace {

// '1' for each tensor that has a gradient on some rank.
std::string present_anywhere(Communicator& ranks, const NamedTensors& tensors) {
  std::string present;
  for (const auto& [name, tensor] : tensors) present += tensor.grad().defined() ? '1' : '0';
  for (const std::string& other : ranks.gather(present)) {
    for (std::size_t i = 0; i < present.size(); ++i) {
      if (other.at(i) == '1') present[i] = '1';
    }
  }
  return present;
}

void sum_bucket(Communicator& ranks, const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& gradient : gradients) rows.push_back(gradient.to(at::kFloat).flatten());
  at::Tensor flat = at::cat(rows);
  if (!ranks.sums_on_device()) flat = flat.to(at::kCPU);
  ranks.sum({flat.mutable_data_ptr<float>(), static_cast<std::size_t>(flat.numel())});
  std::int64_t begin = 0;
  for (const at::Tensor& gradient : gradients) {
    gradient.copy_(flat.narrow(0, begin, gradient.numel()).view(gradient.sizes()));
    begin += gradient.numel();
  }
}

}  // namespace

void sum_gradients(Communicator& ranks, const std::vector<ParameterGroup>& groups, at::Tensor& loss,
                   std::int64_t bucket) {
  if (ranks.size() == 1) return;
  const c10::NoGradGuard no_grad;
  const NamedTensors tensors = all_tensors(groups);
  const std::string present = present_anywhere(ranks, tensors);
  std::vector<at::Tensor> gathered = {loss};
  std::int64_t numbers = loss.numel();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (present[i] == '0') continue;
    at::Tensor tensor = tensors[i].second;
    if (!tensor.grad().defined()) tensor.mutable_grad() = at::zeros_like(tensor);
    gathered.push_back(tensor.grad());
    numbers += tensor.numel();
    if (numbers < bucket) continue;
    sum_bucket(ranks, gathered);
    gathered.clear();
    numbers = 0;
  }
  if (!gathered.empty()) sum_bucket(ranks, gathered);
}

}  // namespace sarsweep::trainer
