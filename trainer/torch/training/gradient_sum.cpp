#include "trainer/torch/training/gradient_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <c10/core/GradMode.h>

#include "trainer/torch/training/flat_buffer.h"

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

// `values`: one dimension, contiguous.
void sum_values(Communicator& ranks, at::Tensor values) {
  const bool elsewhere = !values.is_cpu() && !ranks.sums_on_device();
  const at::Tensor summed = elsewhere ? values.to(at::kCPU) : values;
  ranks.sum({summed.mutable_data_ptr<float>(), static_cast<std::size_t>(summed.numel())});
  if (elsewhere) values.copy_(summed);
}

// Tensors that lie anywhere, gathered into one and handed back.
void sum_bucket(Communicator& ranks, const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& gradient : gradients) rows.push_back(gradient.to(at::kFloat).flatten());
  const at::Tensor flat = at::cat(rows);
  sum_values(ranks, flat);
  std::int64_t begin = 0;
  for (const at::Tensor& gradient : gradients) {
    gradient.copy_(flat.narrow(0, begin, gradient.numel()).view(gradient.sizes()));
    begin += gradient.numel();
  }
}

// Gradients as they come, summed in pieces of about `bucket` numbers: where they lie, if they lie
// one after another, else by way of a copy. Every rank must add the same ones.
class Sums {
 public:
  Sums(Communicator& ranks, std::int64_t bucket) : ranks_(ranks), bucket_(bucket) {}

  void add(const at::Tensor& gradient) {
    gathered_.push_back(gradient);
    numbers_ += gradient.numel();
    if (numbers_ < bucket_) return;
    sum_bucket(ranks_, gathered_);
    gathered_.clear();
    numbers_ = 0;
  }

  void add_in_place(const at::Tensor& gradient) {
    if (!row_.empty() && !FlatLayout::next_to(row_.back(), gradient)) sum_row();
    row_.push_back(gradient);
  }

  void finish() {
    if (!gathered_.empty()) sum_bucket(ranks_, gathered_);
    if (!row_.empty()) sum_row();
  }

 private:
  void sum_row() {
    const at::Tensor &first = row_.front(), &last = row_.back();
    const std::int64_t end = last.storage_offset() + last.numel();
    for (std::int64_t begin = first.storage_offset(); begin < end; begin += bucket_) {
      const std::int64_t size = std::min(bucket_, end - begin);
      sum_values(ranks_, at::empty({0}, first.options()).set_(first.storage(), begin, {size}, {1}));
    }
    row_.clear();
  }

  Communicator& ranks_;
  std::int64_t bucket_;
  std::vector<at::Tensor> gathered_, row_;
  std::int64_t numbers_ = 0;
};

void add_group(Sums& sums, const ParameterGroup& group, std::string_view present) {
  const bool together = !group.gradients.empty();
  for (std::size_t i = 0; i < group.tensors.size(); ++i) {
    if (present[i] == '0') continue;
    const at::Tensor& tensor = group.tensors[i].second;
    if (!tensor.grad().defined()) {
      tensor.mutable_grad() = together ? group.gradients[i].zero_() : at::zeros_like(tensor);
    }
    if (together) {
      sums.add_in_place(tensor.grad());
    } else {
      sums.add(tensor.grad());
    }
  }
}

}  // namespace

void sum_gradients(Communicator& ranks, const std::vector<ParameterGroup>& groups, at::Tensor& loss,
                   std::int64_t bucket) {
  if (ranks.size() == 1) return;
  const c10::NoGradGuard no_grad;
  const std::string present = present_anywhere(ranks, all_tensors(groups));
  Sums sums(ranks, bucket);
  sums.add(loss);
  std::size_t begin = 0;
  for (const ParameterGroup& group : groups) {
    add_group(sums, group, std::string_view(present).substr(begin, group.tensors.size()));
    begin += group.tensors.size();
  }
  sums.finish();
}

}  // namespace sarsweep::trainer
