#include "trainer/torch/training/diffusion_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/where.h>

#include <array>

#include <c10/core/GradMode.h>

#include "trainer/core/schedule/noise_schedule.h"
#include "trainer/torch/model/base_layer.h"

namespace sarsweep::trainer {
namespace {

constexpr std::array<std::int64_t, 3> kPicture = {1, 2, 3};  // C, H, W

at::Tensor table(const std::array<float, kTimesteps>& values, at::Device device) {
  std::array<float, kTimesteps> copy = values;
  return at::from_blob(copy.data(), {static_cast<std::int64_t>(kTimesteps)}, at::kFloat)
      .clone()
      .to(device);
}

at::Tensor min_snr_table(const NoiseSchedule& schedule, double gamma, Prediction prediction,
                         at::Device device) {
  std::array<float, kTimesteps> weights{};
  for (std::size_t t = 0; t < kTimesteps; ++t) {
    weights[t] = static_cast<float>(schedule.min_snr_weight(t, gamma, prediction));
  }
  return table(weights, device);
}

Prediction prediction_of(const SchedulerConfig& scheduler) {
  return scheduler.predicts_velocity() ? Prediction::velocity : Prediction::epsilon;
}

at::Device device_of(const Component& component) {
  return component.parameters().front().second.device();
}

bool trains(const NetworkConfig& network) { return network.mode != TrainMode::frozen; }

// Where no gradient passes there is nothing to save, and a recomputed block would ask for one.
void choose_activations(Pipeline& pipeline, const RunConfig& config) {
  const auto recomputed_if = [&](bool passed) {
    return config.train.recompute_blocks && passed ? Activations::recompute : Activations::keep;
  };
  const bool token = config.token.train;
  pipeline.text_encoder.set_activations(recomputed_if(trains(config.text_encoder_1) || token));
  pipeline.text_encoder_2.set_activations(recomputed_if(trains(config.text_encoder_2) || token));
  pipeline.unet.set_activations(recomputed_if(trains(config.unet) || trains_text(config)));
  pipeline.vae.set_activations(recomputed_if(config.vae.mode == VaeMode::decoder));
}

at::Tensor per_image(const at::Tensor& values) { return values.view({-1, 1, 1, 1}); }

}  // namespace

DiffusionStep::DiffusionStep(Pipeline& pipeline, const RunConfig& config, LrSchedule schedule,
                             std::uint64_t seed)
    : pipeline_(pipeline),
      config_(config),
      stretch_(stretch_kind(config.stretch)),
      rule_(select_trainable(pipeline, config, seed), config.train, schedule),
      prediction_(config.train.prediction.value_or(prediction_of(pipeline.scheduler))),
      trains_text_(trains_text(config)),
      compute_type_(config.train.bf16 ? at::kBFloat16 : at::kFloat) {
  if (config.train.bf16) rule_.optimizer().keep_copies(compute_copies(pipeline));
  hold_narrow(pipeline.unet);
  hold_narrow(pipeline.text_encoder);
  hold_narrow(pipeline.text_encoder_2);
  const Pooling pooling = config.pool_at_greatest_id ? Pooling::argmax : Pooling::first_eos;
  pipeline.text_encoder.set_pooling(pooling);
  pipeline.text_encoder_2.set_pooling(pooling);
  choose_activations(pipeline, config);
  pipeline.scheduler.set_prediction_type(prediction_ == Prediction::velocity ? "v_prediction"
                                                                             : "epsilon");
  // Who drops no caption teaches nothing about the empty one: the model's own answer stays.
  if (config.prompt.dropout > 0) set_zeros_for_empty_prompt(pipeline, config.prompt.uncond_zeros);
  const NoiseSchedule noise =
      make_noise_schedule(pipeline.scheduler.beta_start, pipeline.scheduler.beta_end);
  const at::Device device = device_of(pipeline.unet);
  signal_ = table(noise.signal, device);
  noise_ = table(noise.noise, device);
  if (config.train.min_snr_gamma) {
    weight_ = min_snr_table(noise, *config.train.min_snr_gamma, prediction_, device);
  }
}

MicroLosses DiffusionStep::micro(const TrainBatch& batch, std::int64_t images_of_update) {
  const Pass pass = predict(batch);
  MicroLosses losses = diffusion_losses(pass);
  if (config_.vae.mode == VaeMode::decoder) refine(losses, batch, pass);
  add_gradients(losses.loss, images_of_update);
  return report_losses(losses);
}

MicroLosses DiffusionStep::losses(const TrainBatch& batch) {
  const c10::NoGradGuard no_grad;
  return report_losses(diffusion_losses(predict(batch)));
}

DiffusionStep::Pass DiffusionStep::predict(const TrainBatch& batch) {
  const at::Tensor latents = latents_of(batch);
  at::Tensor noise = batch.noise;
  if (config_.train.noise_offset > 0) {
    noise = noise + config_.train.noise_offset * batch.offset_noise;
  }
  const at::Tensor timesteps = batch.timesteps.to(signal_.device());
  const at::Tensor alpha = per_image(signal_.index_select(0, timesteps));
  const at::Tensor sigma = per_image(noise_.index_select(0, timesteps));
  const at::Tensor noisy = alpha * latents + sigma * noise;
  const at::Tensor target =
      prediction_ == Prediction::velocity ? alpha * noise - sigma * latents : noise;
  const Conditioning text = conditioning_of(batch);
  const at::Tensor prediction =
      pipeline_.unet.forward(noisy.to(compute_type_), timesteps, text.context.to(compute_type_),
                             text.pooled.to(compute_type_), batch.time_ids);
  return {timesteps, noisy, target, prediction.to(at::kFloat)};
}

MicroLosses DiffusionStep::diffusion_losses(const Pass& pass) const {
  const at::Tensor diffusion =
      (pass.predicted - pass.target).square().mean(at::IntArrayRef(kPicture));
  if (!weight_.defined()) return {diffusion, diffusion, {}};
  return {diffusion * weight_.index_select(0, pass.timesteps), diffusion, {}};
}

at::Tensor DiffusionStep::clean_latents(const at::Tensor& noisy, const at::Tensor& prediction,
                                        const at::Tensor& timesteps) const {
  const at::Tensor alpha = per_image(signal_.index_select(0, timesteps));
  const at::Tensor sigma = per_image(noise_.index_select(0, timesteps));
  if (prediction_ == Prediction::velocity) return alpha * noisy - sigma * prediction;
  return (noisy - sigma * prediction) / alpha;
}

void DiffusionStep::refine(MicroLosses& losses, const TrainBatch& batch, const Pass& pass) const {
  at::Tensor rows = batch.timesteps.lt(config_.vae.t_max).nonzero().squeeze(1);
  if (rows.numel() == 0) return;
  rows = rows.to(pass.timesteps.device());
  const at::Tensor t = pass.timesteps.index_select(0, rows);
  at::Tensor clean =
      clean_latents(pass.noisy.index_select(0, rows), pass.predicted.index_select(0, rows), t);
  if (config_.vae.decoder_only) clean = clean.detach();
  const at::Tensor decoded = pipeline_.vae.decode(clean / pipeline_.vae.config().scaling_factor);
  losses.terms = refinement_terms(decoded, batch.pixels.index_select(0, rows),
                                  config_.vae.refinement, stretch_);
  if (losses.terms.empty()) return;
  measure_gradients(losses.terms, decoded);
  losses.loss = losses.loss.index_add(0, rows, weighted_sum(losses.terms));
}

at::Tensor DiffusionStep::latents_of(const TrainBatch& batch) const {
  if (batch.latents.defined()) return batch.latents;
  const c10::NoGradGuard no_grad;
  const at::Tensor noise = config_.train.latent_mean ? at::Tensor() : batch.posterior_noise;
  return draw_latents(pipeline_.vae.encode(batch.pixels), noise) *
         pipeline_.vae.config().scaling_factor;
}

Conditioning DiffusionStep::conditioning_of(const TrainBatch& batch) {
  Conditioning text =
      batch.conditioning ? *batch.conditioning
                         : encode_ids(pipeline_, batch.input_ids, batch.input_ids_2, compute_type_);
  if (!batch.drop.defined()) return text;
  const at::Tensor drop = batch.drop.to(at::kBool);
  const at::Tensor rows = drop.view({-1, 1, 1});
  const at::Tensor pooled_rows = drop.view({-1, 1});
  if (config_.prompt.uncond_zeros) {
    return {text.context.masked_fill(rows, 0), text.pooled.masked_fill(pooled_rows, 0)};
  }
  const Conditioning& empty = empty_caption();
  return {at::where(rows, empty.context, text.context),
          at::where(pooled_rows, empty.pooled, text.pooled)};
}

const Conditioning& DiffusionStep::empty_caption() {
  if (trains_text_ || !empty_caption_) empty_caption_ = encode_prompts(pipeline_, {""});
  return *empty_caption_;
}

}  // namespace sarsweep::trainer
