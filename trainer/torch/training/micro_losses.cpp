#include "trainer/torch/training/micro_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <torch/csrc/autograd/autograd.h>

namespace sarsweep::trainer {

void add_gradients(const at::Tensor& losses, std::int64_t images_of_update) {
  if (!losses.requires_grad()) return;
  torch::autograd::backward({losses.sum() / static_cast<double>(images_of_update)}, {});
}

MicroLosses report_losses(const MicroLosses& losses) {
  return {losses.loss.detach(), losses.diffusion.detach(), report_terms(losses.terms)};
}

MicroLosses on_host(const MicroLosses& losses) {
  MicroLosses host = {losses.loss.cpu(), losses.diffusion.cpu(), losses.terms};
  for (RefinementTerm& term : host.terms) {
    term.loss = term.loss.cpu();
    if (term.pixel_gradient.defined()) term.pixel_gradient = term.pixel_gradient.cpu();
  }
  return host;
}

at::Tensor draw_latents(const Moments& moments, const at::Tensor& noise) {
  if (!noise.defined()) return moments.mean;
  return moments.mean + at::exp(moments.log_variance * 0.5) * noise;
}

}  // namespace sarsweep::trainer
