#include "trainer/torch/training/vae_step.h"

#include <ATen/TensorOperators.h>

#include <array>

#include <c10/core/GradMode.h>

#include "trainer/torch/training/refinement_terms.h"

namespace sarsweep::trainer {
namespace {

constexpr std::array<std::int64_t, 3> kPicture = {1, 2, 3};  // C, H, W

}  // namespace

VaeStep::VaeStep(Pipeline& pipeline, const RunConfig& config, LrSchedule schedule,
                 std::uint64_t seed)
    : pipeline_(pipeline),
      config_(config.vae),
      stretch_(stretch_kind(config.stretch)),
      rule_(select_trainable(pipeline, config, seed), config.train, schedule) {
  pipeline.vae.set_activations(config.train.recompute_blocks ? Activations::recompute
                                                             : Activations::keep);
}

MicroLosses VaeStep::micro(const TrainBatch& batch, std::int64_t images_of_update) {
  const MicroLosses losses = forward(batch);
  add_gradients(losses.loss, images_of_update);
  return report_losses(losses);
}

MicroLosses VaeStep::losses(const TrainBatch& batch) {
  const c10::NoGradGuard no_grad;
  return report_losses(forward(batch));
}

MicroLosses VaeStep::forward(const TrainBatch& batch) const {
  const Moments moments = pipeline_.vae.encode(batch.pixels);
  const at::Tensor picture = pipeline_.vae.decode(draw_latents(moments, batch.posterior_noise));
  const at::Tensor l1 =
      (picture.to(at::kFloat) - batch.pixels).abs().mean(at::IntArrayRef(kPicture));
  const at::Tensor divergence =
      0.5 * (moments.mean.square() + moments.log_variance.exp() - 1.0 - moments.log_variance)
                .sum(at::IntArrayRef(kPicture));
  const at::Tensor loss = l1 + config_.kl_weight * divergence;
  RefinementTerms terms = refinement_terms(picture, batch.pixels, config_.refinement, stretch_);
  if (terms.empty()) return {loss, l1, {}};
  if (picture.requires_grad()) measure_gradients(terms, picture);
  return {loss + weighted_sum(terms), l1, terms};
}

}  // namespace sarsweep::trainer
