#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/core/images/amplitude.h"
#include "trainer/torch/model/autoencoder.h"

namespace sarsweep::trainer {

// A stretched amplitude in [0,1] as the model sees it: [3,H,W] in [-1,1], three equal channels.
at::Tensor pixels_of(const AmplitudeImage& stretched);
// Stacked: [N,3,H,W].
at::Tensor pixels_of(const std::vector<AmplitudeImage>& stretched);

// A decoded picture [3,H,W] as stretched amplitude: mean over channels of (x+1)/2, clamped to
// [0,1].
AmplitudeImage amplitude_of(const at::Tensor& pixels);

// Stretched pictures of one size through encoder (posterior mean) and decoder: the VAE pass.
std::vector<AmplitudeImage> reconstruct(const Autoencoder& vae,
                                        const std::vector<AmplitudeImage>& stretched);

}  // namespace sarsweep::trainer
