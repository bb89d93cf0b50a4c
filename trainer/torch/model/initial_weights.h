#pragma once

#include <cstdint>
#include <string_view>

#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// Fills every parameter as PyTorch's modules start: weights and biases of linear layers and
// convolutions uniform within ±1/√fan_in (kaiming_uniform with a = √5), norms 1 and 0, embeddings
// N(0, 0.02²) as CLIP's. A value depends on the seed, `part` ("unet", …), the tensor's name and the
// position in it alone. fp32 on the CPU.
void draw_initial_weights(Component& component, std::string_view part, std::uint64_t seed);

}  // namespace sarsweep::trainer
