#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// What the layer gives without its adapter. A weight that is held narrow (below) is cast for this
// pass and once more for the backward pass: the cast one is not kept between them.
at::Tensor base_layer(const at::Tensor& x, const Layer& layer);

// Whether a weight is held in two bytes a value.
bool is_narrow(const at::Tensor& weight);

// Holds the weights of layers that do not train in fp16 or bf16 wherever that loses nothing. No
// result changes; the frozen base of a model that was stored so takes half the memory. Call once it
// is decided what trains.
void hold_narrow(Component& component);

}  // namespace sarsweep::trainer
