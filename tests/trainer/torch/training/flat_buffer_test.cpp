#include "trainer/torch/training/flat_buffer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

namespace sarsweep::trainer {
namespace {

at::Tensor numbers(at::IntArrayRef shape, double from) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return (at::arange(count, at::kFloat) + from).view(shape);
}

std::int64_t bytes_between(const at::Tensor& first, const at::Tensor& second) {
  return static_cast<const std::byte*>(second.const_data_ptr()) -
         static_cast<const std::byte*>(first.const_data_ptr());
}

TEST(FlatBuffer, HoldsWhatWasThereOnBoundariesOf64Bytes) {
  const at::Tensor a = numbers({3, 5}, 1).set_requires_grad(true), b = numbers({7}, 100),
                   c = numbers({2, 2, 3, 3}, 1000).set_requires_grad(true);
  const at::Tensor handle = a;
  const NamedTensors before = {
      {"a", a.detach().clone()}, {"b", b.clone()}, {"c", c.detach().clone()}};
  const NamedTensors tensors = {{"a", a}, {"b", b}, {"c", c}};
  move_into_buffer(tensors, FlatLayout(tensors));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_TRUE(at::equal(tensors[i].second, before[i].second)) << i;
    EXPECT_TRUE(tensors[i].second.is_contiguous());
  }
  EXPECT_EQ(handle.const_data_ptr(), a.const_data_ptr());
  EXPECT_EQ(bytes_between(a, b), 64);
  EXPECT_EQ(bytes_between(b, c), 64);
  EXPECT_TRUE(FlatLayout::next_to(a, b));
  EXPECT_FALSE(FlatLayout::next_to(a, c));
  EXPECT_FALSE(FlatLayout::next_to(before[0].second, before[1].second));
  // Leaves of their own still.
  EXPECT_TRUE(a.is_leaf() && a.requires_grad() && !b.requires_grad());
  torch::autograd::backward({(a * a).sum() + c.sum()}, {});
  EXPECT_TRUE(at::equal(a.grad(), 2 * before[0].second));
  EXPECT_EQ(c.grad().sizes(), c.sizes());
}

TEST(FlatBuffer, KeepsAdjacentWeightsAdjacent) {
  Component component;
  component.add_linear("before", 3, 3, true);
  component.add_adjacent({"q", "k", "v"}, 3, 5);
  for (const auto& [name, tensor] : component.parameters()) {
    component.set(name, numbers(tensor.sizes(), static_cast<double>(name.size())));
  }
  const at::Tensor bias = component.parameter("before.bias");
  const at::Tensor q = component.parameter("q.weight"), k = component.parameter("k.weight"),
                   v = component.parameter("v.weight");
  for (int time = 0; time < 2; ++time) {  // and from one buffer into another
    move_into_buffer(component.parameters(), FlatLayout(component.parameters()));
    EXPECT_EQ(bytes_between(q, k), 60);
    EXPECT_EQ(bytes_between(k, v), 60);
    EXPECT_EQ(bytes_between(bias, q), 64);
    EXPECT_TRUE(at::equal(q, numbers({5, 3}, 8)));
  }
}

TEST(FlatBuffer, OfNothingIsNothing) {
  move_into_buffer({}, FlatLayout(NamedTensors{}));
  EXPECT_EQ(FlatLayout(NamedTensors{}).size(), 0);
}

}  // namespace
}  // namespace sarsweep::trainer
