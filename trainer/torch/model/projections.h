#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

// Products of the same rows with several weights, off the graph and in fp32 on a CPU: one product
// where the weights lie one after another (Component::add_adjacent).
namespace sarsweep::trainer {

// [B,S,H·D] -> [B,S,H,D], a view, and back.
at::Tensor split_heads(const at::Tensor& x, std::int64_t heads);
at::Tensor join_heads(const at::Tensor& x);

// rows [n,in] times weights [out,in], all of one shape.
struct Projected {
  at::Tensor weight;              // [sum of out,in]: where they lie, or a copy
  std::vector<at::Tensor> parts;  // [batch,S,heads,D] each, views of one product

  static Projected of(const at::Tensor& rows, const std::vector<at::Tensor>& weights,
                      std::int64_t batch, std::int64_t heads);
};

// From the gradients of the parts [batch,S,heads,D] to that of the rows, where `weight` is defined,
// and those of the weights, where `rows` is; undefined otherwise.
struct ProjectedGradients {
  at::Tensor rows;
  std::vector<at::Tensor> weights;

  static ProjectedGradients of(const at::Tensor& rows, const at::Tensor& weight,
                               const std::vector<at::Tensor>& parts);
};

}  // namespace sarsweep::trainer
