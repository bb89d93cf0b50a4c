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
      rule_(select_trainable(pipeline, config, seed), config.train, schedule) {}

MicroLosses VaeStep::micro(const TrainBatch& batch, std::int64_t images_of_update) {
  const Losses losses = forward(batch);
  add_gradients(losses.loss, images_of_update);
  return report_losses(losses.loss, losses.l1);
}

MicroLosses VaeStep::losses(const TrainBatch& batch) {
  const c10::NoGradGuard no_grad;
  const Losses losses = forward(batch);
  return report_losses(losses.loss, losses.l1);
}

VaeStep::Losses VaeStep::forward(const TrainBatch& batch) const {
  const Moments moments = pipeline_.vae.encode(batch.pixels);
  const at::Tensor picture = pipeline_.vae.decode(draw_latents(moments, batch.posterior_noise));
  const at::Tensor l1 =
      (picture.to(at::kFloat) - batch.pixels).abs().mean(at::IntArrayRef(kPicture));
  const at::Tensor divergence =
      0.5 * (moments.mean.square() + moments.log_variance.exp() - 1.0 - moments.log_variance)
                .sum(at::IntArrayRef(kPicture));
  const at::Tensor loss = l1 + config_.kl_weight * divergence;
  const at::Tensor refinement =
      refinement_terms(picture, batch.pixels, config_.refinement, stretch_)
          .weighted(config_.refinement);
  return {refinement.defined() ? loss + refinement : loss, l1};
}

}  // namespace sarsweep::trainer
