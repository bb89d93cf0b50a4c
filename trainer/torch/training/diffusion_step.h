#pragma once

#include <cstdint>
#include <optional>

#include "trainer/core/config/run_config.h"
#include "trainer/core/images/amplitude.h"
#include "trainer/torch/training/micro_losses.h"
#include "trainer/torch/training/train_batch.h"
#include "trainer/torch/training/update_rule.h"

namespace sarsweep::trainer {

// The training step of job diffusion. An update is: micro() for each pass, then
// rule().apply(index). One thread. The pipeline must outlive the step.
class DiffusionStep {
 public:
  // Makes `pipeline` trainable (trainable.h), and it predicts and pools what `config` says from
  // then on. Where captions are dropped, an empty prompt is what a dropped one was.
  DiffusionStep(Pipeline& pipeline, const RunConfig& config, LrSchedule schedule,
                std::uint64_t seed);

  // Forward and backward of sum_i loss_i / images_of_update, so that passes add up to the update's
  // mean whatever their sizes. loss_i = mean over C, H, W of (prediction - target)^2 in fp32,
  // eps = noise + train.noise_offset * offset_noise, target = eps, or sqrt(ᾱ) eps - sqrt(1 - ᾱ) z
  // where velocity is predicted, times the min-SNR weight where that is configured. With vae.mode
  // decoder an image with t < vae.t_max is refined: its loss grows by the weighted refinement_terms
  // between decode(ẑ0 / scaling factor) and its pixels, ẑ0 = (z_t - sqrt(1 - ᾱ) prediction) /
  // sqrt(ᾱ), or sqrt(ᾱ) z_t - sqrt(1 - ᾱ) prediction, in fp32. The host waits for nothing.
  MicroLosses micro(const TrainBatch& batch, std::int64_t images_of_update);
  // The forward half alone, without graph and without refinement: for val/loss.
  MicroLosses losses(const TrainBatch& batch);

  UpdateRule& rule() { return rule_; }
  const UpdateRule& rule() const { return rule_; }

 private:
  struct Pass {
    at::Tensor timesteps;                 // [B] on the model's device
    at::Tensor noisy, target, predicted;  // [B,4,h,w] fp32
  };
  Pass predict(const TrainBatch& batch);
  // The clean latents that a prediction means; [B,4,h,w] each, timesteps [B].
  at::Tensor clean_latents(const at::Tensor& noisy, const at::Tensor& prediction,
                           const at::Tensor& timesteps) const;
  MicroLosses diffusion_losses(const Pass& pass) const;
  void refine(MicroLosses& losses, const TrainBatch& batch, const Pass& pass) const;
  at::Tensor latents_of(const TrainBatch& batch) const;
  Conditioning conditioning_of(const TrainBatch& batch);
  const Conditioning& empty_caption();

  Pipeline& pipeline_;
  RunConfig config_;
  Stretch stretch_;  // its kind and window; the reference is never read
  UpdateRule rule_;
  Prediction prediction_;
  bool trains_text_;
  at::ScalarType compute_type_;         // of UNet and text encoders
  at::Tensor signal_, noise_, weight_;  // [1000] fp32 on the model's device; weight_ of min-SNR
  std::optional<Conditioning>
      empty_caption_;  // cached while no text encoder trains: [1,77,d], [1,p]
};

}  // namespace sarsweep::trainer
