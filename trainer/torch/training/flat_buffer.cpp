#include "trainer/torch/training/flat_buffer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <c10/core/GradMode.h>

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kBoundary = 16;  // numbers of fp32 in 64 bytes

std::int64_t rounded_up(std::int64_t numbers) {
  return (numbers + kBoundary - 1) / kBoundary * kBoundary;
}

bool share_storage(const at::Tensor& a, const at::Tensor& b) {
  return a.storage().is_alias_of(b.storage());
}

bool adjacent(const at::Tensor& first, const at::Tensor& second) {
  return first.is_contiguous() && second.is_contiguous() && share_storage(first, second) &&
         first.storage_offset() + first.numel() == second.storage_offset();
}

}  // namespace

FlatLayout::FlatLayout(const NamedTensors& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& tensor = tensors[i].second;
    const bool follows = i > 0 && adjacent(tensors[i - 1].second, tensor);
    const std::int64_t begin = follows ? size_ : rounded_up(size_);
    parts_.push_back({begin, tensor.sizes().vec()});
    size_ = begin + tensor.numel();
  }
}

at::Tensor FlatLayout::make_buffer(const NamedTensors& tensors, at::ScalarType type) const {
  const at::Device device = tensors.empty() ? at::Device(at::kCPU) : tensors[0].second.device();
  return at::zeros({size_}, at::device(device).dtype(type));
}

at::Tensor FlatLayout::place(const at::Tensor& buffer, std::size_t i) const {
  const Part& part = parts_[i];
  const c10::NoGradGuard no_grad;
  std::vector<std::int64_t> strides(part.shape.size(), 1);
  for (std::size_t d = part.shape.size(); d-- > 1;) {
    strides[d - 1] = strides[d] * part.shape[d];
  }
  return at::empty({0}, buffer.options())
      .set_(buffer.storage(), buffer.storage_offset() + part.begin, part.shape, strides);
}

std::vector<at::Tensor> FlatLayout::places(const at::Tensor& buffer) const {
  std::vector<at::Tensor> all;
  for (std::size_t i = 0; i < parts_.size(); ++i) all.push_back(place(buffer, i));
  return all;
}

bool FlatLayout::next_to(const at::Tensor& place, const at::Tensor& next) {
  if (!share_storage(place, next)) return false;
  const std::int64_t gap = next.storage_offset() - place.storage_offset() - place.numel();
  return gap >= 0 && gap < kBoundary;
}

void move_into_buffer(const NamedTensors& tensors, const FlatLayout& layout) {
  const c10::NoGradGuard no_grad;
  if (tensors.empty()) return;
  // Not zeros: on a CPU pages come as they are filled, and what has moved goes back.
  const at::Tensor buffer =
      at::empty({layout.size()}, tensors.front().second.options().requires_grad(false));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    at::Tensor tensor = tensors[i].second;
    const at::Tensor place = layout.place(buffer, i);
    place.copy_(tensor);
    tensor.set_data(place);
  }
}

}  // namespace sarsweep::trainer
