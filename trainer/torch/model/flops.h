#pragma once

#include <cstdint>

#include "trainer/torch/model/unet.h"

namespace sarsweep::trainer {

// Floating-point operations of one forward pass over one image: twice the multiplications of its
// linear layers, convolutions and attention products. Norms, activations and sums are left out, as
// is the custom where a share of a device's peak is told (Chowdhery et al. 2022, PaLM, appendix B).
struct ForwardFlops {
  double network = 0;   // without its adapters
  double adapters = 0;  // both factors of each
};

// Latents [4, side, side] and 77 text tokens. The UNet may be on at::kMeta.
ForwardFlops forward_flops(UNet& unet, std::int64_t side);

// Of one image in training: the forward pass once, and once more for each of the gradients that the
// backward pass makes, of activations and of what trains.
double full_training_flops(const ForwardFlops& forward);  // 3 F
double lora_training_flops(const ForwardFlops& forward);  // 2 F + 3 L

}  // namespace sarsweep::trainer
