#include "trainer/torch/model/initial_weights.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cmath>
#include <unordered_map>

#include <c10/core/GradMode.h>

#include "schema/base/philox.h"

namespace sarsweep::trainer {
namespace {

constexpr double kEmbeddingDeviation = 0.02;
constexpr std::int64_t kGrain = 1 << 14;  // values a thread draws at a time

template <typename Draw>
void fill(const at::Tensor& target, const Draw& draw) {
  auto* values = target.mutable_data_ptr<float>();
  at::parallel_for(0, target.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      values[i] = static_cast<float>(draw(static_cast<std::uint64_t>(i)));
    }
  });
}

// Names of a layer's tensors -> 1/√fan_in of its weight.
std::unordered_map<std::string, double> layer_bounds(Component& component) {
  std::unordered_map<std::string, double> bounds;
  for (const Layer* layer : component.layers()) {
    const std::int64_t fan_in = layer->weight.numel() / layer->weight.size(0);
    const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
    bounds[layer->name + ".weight"] = bound;
    bounds[layer->name + ".bias"] = bound;
  }
  return bounds;
}

}  // namespace

void draw_initial_weights(Component& component, std::string_view part, std::uint64_t seed) {
  const c10::NoGradGuard no_grad;
  const auto bounds = layer_bounds(component);
  for (const auto& [name, tensor] : component.parameters()) {
    const RandomStream stream(seed, fmt::format("init/{}/{}", part, name), 0);
    const auto bound = bounds.find(name);
    if (bound != bounds.end()) {
      fill(tensor,
           [&](std::uint64_t i) { return bound->second * (2.0 * stream.uniform(i) - 1.0); });
    } else if (tensor.dim() > 1) {
      fill(tensor, [&](std::uint64_t i) { return kEmbeddingDeviation * stream.normal(i); });
    } else {
      tensor.fill_(name.ends_with(".weight") ? 1.0 : 0.0);
    }
  }
}

}  // namespace sarsweep::trainer
