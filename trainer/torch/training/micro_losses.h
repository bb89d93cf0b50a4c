#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "trainer/torch/model/autoencoder.h"
#include "trainer/torch/training/refinement_terms.h"

// What the training steps of all jobs share.
namespace sarsweep::trainer {

// Per-image losses of a pass: [B] fp32 on the model's device, without graph: the host has not
// waited for them.
struct MicroLosses {
  at::Tensor loss;       // what is differentiated
  at::Tensor diffusion;  // before any weighting; of job vae: the L1 term
  // Of the images that were refined alone, in their order: [L] each. Empty if there were none.
  RefinementTerms terms;
};

// Adds the gradients of sum_i losses_i / images_of_update; none where nothing trained took part.
void add_gradients(const at::Tensor& losses, std::int64_t images_of_update);
// As reported: off the graph.
MicroLosses report_losses(const MicroLosses& losses);
// On the CPU: waits for the device.
MicroLosses on_host(const MicroLosses& losses);

// A draw from the posterior, not scaled; its mean where `noise` is undefined.
at::Tensor draw_latents(const Moments& moments, const at::Tensor& noise);

}  // namespace sarsweep::trainer
