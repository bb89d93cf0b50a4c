#include "schema/config/field_rows.h"

namespace sarsweep::config {

using nlohmann::json;
using enum FieldType;
using enum FieldClass;

namespace {

constexpr std::string_view kNotClip = "job != clip";  // it has fields of its own

std::vector<Field> length() {
  return {
      {.name = "train.epochs",
       .type = integer,
       .default_text = "8, unless steps is given",
       .low = 1,
       .high = 1'000'000,
       .unit = "passes",
       .active_when = kNotClip,
       .help = "passes over the training split; 8 is the paper's"},
      {.name = "train.steps",
       .type = integer,
       .default_text = "none",
       .low = 0,
       .high = 1'000'000'000,
       .unit = "updates",
       .active_when = kNotClip,
       .help = "optimizer updates, instead of epochs; 0 only samples and evaluates"},
  };
}

std::vector<Field> batch() {
  return {
      {.name = "train.global_batch",
       .type = integer,
       .default_value = 16,
       .low = 1,
       .high = 1 << 20,
       .unit = "images",
       .active_when = kNotClip,
       .help = "images of one update, over all devices and accumulation"},
      {.name = "train.micro_batch",
       .type = integer,
       .default_value = "auto",
       .field_class = exec,
       .choices = {"auto"},
       .low = 1,
       .high = 1 << 20,
       .unit = "images",
       .help =
           "images of one pass on one device; auto goes by the resolution (job clip: 16 pairs); "
           "halved when memory runs out"},
      {.name = "train.tail",
       .type = choice,
       .default_value = "flush",
       .choices = {"flush", "carry", "drop"},
       .active_when = kNotClip,
       .help = "the last, smaller batch of an epoch: an update of its own, kept for the next, or "
               "left out"},
  };
}

std::vector<Field> denoising() {
  return {
      {.name = "train.noise_offset",
       .type = number,
       .default_value = 0.035,
       .low = 0,
       .high = 1,
       .active_when = "job == diffusion",
       .help = "strength of the constant added to each noise channel; 0.035 is the paper's"},
      {.name = "train.min_snr_gamma",
       .type = number,
       .default_text = "none",
       .low = 0,
       .low_open = true,
       .active_when = "job == diffusion",
       .help = "clips the loss weight at gamma / SNR; none weighs all timesteps equally"},
      {.name = "train.prediction",
       .type = choice,
       .default_value = "model",
       .choices = {"model", "epsilon", "v"},
       .active_when = "job == diffusion",
       .help = "what the UNet learns to predict; model stays with what model.path predicts (SDXL: "
               "epsilon, the noise)"},
      {.name = "train.latents",
       .type = choice,
       .default_value = "sample",
       .choices = {"sample", "mean"},
       .active_when = "job == diffusion",
       .help = "draw from the VAE's posterior each time, or take its mean"},
  };
}

std::vector<Field> optimization() {
  return {
      {.name = "train.optimizer",
       .type = choice,
       .default_value = "adamw",
       .choices = {"adamw"},
       .help = "the optimizer"},
      {.name = "train.betas",
       .type = list,
       .default_value = json::array({0.9, 0.999}),
       .low = 0,
       .high = 1,
       .help = "AdamW's averages of the gradient and its square"},
      {.name = "train.eps",
       .type = number,
       .default_value = 1e-8,
       .low = 0,
       .low_open = true,
       .help = "AdamW's denominator floor"},
      {.name = "train.weight_decay",
       .type = number,
       .default_value = 1e-2,
       .low = 0,
       .help = "AdamW's decoupled weight decay"},
      {.name = "train.clip_norm",
       .type = number,
       .default_value = 1.0,
       .low = 0,
       .low_open = true,
       .help = "largest norm of the gradient of an update"},
      {.name = "train.clip_scope",
       .type = choice,
       .default_value = "by_part",
       .choices = {"by_part", "global"},
       .active_when = kNotClip,
       .help = "clip the VAE decoder by its own norm and the rest by theirs, or all by one"},
      {.name = "train.schedule",
       .type = choice,
       .default_value = "constant",
       .choices = {"constant", "linear", "cosine"},
       .help = "learning rate over the updates, after the warmup"},
      {.name = "train.warmup",
       .type = interval,
       .default_value = 0,
       .unit = "updates or epochs",
       .help = "linear rise of the learning rate"},
      {.name = "train.ema_decay",
       .type = number,
       .default_text = "none",
       .low = 0,
       .high = 1,
       .help = "keep an exponential average of the weights and use it for pictures"},
      {.name = "train.precision",
       .type = choice,
       .default_value = "fp32",
       .choices = {"fp32", "bf16"},
       .active_when = "job == diffusion",
       .help = "arithmetic of UNet and text encoders; weights, sums and losses are fp32 in both"},
      {.name = "train.gradient_checkpointing",
       .type = choice,
       .default_value = "none",
       .field_class = exec,
       .choices = {"none", "block"},
       .active_when = kNotClip,
       .help = "recompute blocks in the backward pass to save memory"},
  };
}

std::vector<Field> clip() {
  constexpr std::string_view kClip = "job == clip";
  return {
      {.name = "clip.lr",
       .type = number,
       .default_value = 1e-5,
       .low = 0,
       .active_when = kClip,
       .help = "learning rate of the SAR CLIP"},
      {.name = "clip.batch",
       .type = integer,
       .default_value = 100,
       .low = 2,
       .high = 1 << 16,
       .unit = "pairs",
       .active_when = kClip,
       .help =
           "pairs of one update, each a picture and its caption told from all others; 100 is the "
           "paper's; what does not fill a batch is left out of the epoch"},
      {.name = "clip.epochs",
       .type = integer,
       .default_text = "8, unless steps is given",
       .low = 1,
       .high = 1'000'000,
       .unit = "passes",
       .active_when = kClip,
       .help = "passes over the training split"},
      {.name = "clip.steps",
       .type = integer,
       .default_text = "none",
       .low = 0,
       .high = 1'000'000'000,
       .unit = "updates",
       .active_when = kClip,
       .help = "optimizer updates, instead of epochs; 0 only evaluates"},
      {.name = "clip.towers",
       .type = choice,
       .default_value = "both",
       .choices = {"both", "image", "text"},
       .active_when = kClip,
       .help = "which towers train; the scale of the logits always does"},
      {.name = "clip.precision",
       .type = choice,
       .default_value = "fp32",
       .choices = {"fp32", "bf16"},
       .active_when = kClip,
       .help = "arithmetic of the towers; weights, embeddings and the loss are fp32 in both"},
  };
}

std::vector<Field> compat() {
  return {
      {.name = "compat.pool",
       .type = choice,
       .default_value = "first_eos",
       .choices = {"first_eos", "hf_argmax"},
       .active_when = kNotClip,
       .help = "where the pooled text embedding is taken; hf_argmax reproduces other trainers"},
      {.name = "compat.add_noise_dtype",
       .type = choice,
       .default_value = "fp32",
       .choices = {"fp32", "latent"},
       .supported_choices = {"fp32"},
       .help = "precision in which noise is added to latents"},
      {.name = "compat.sched_unit",
       .type = choice,
       .default_value = "update",
       .choices = {"update", "diffusers_sdxl_bug"},
       .supported_choices = {"update"},
       .help = "what the learning rate schedule counts"},
  };
}

std::vector<Field> checkpoint() {
  return {
      {.name = "checkpoint.every",
       .type = interval,
       .default_value = 1000,
       .field_class = exec,
       .low = 1,
       .unit = "updates or epochs",
       .help = "how often a checkpoint is written; one is always written at the end"},
      {.name = "checkpoint.keep_last",
       .type = integer,
       .default_value = 2,
       .field_class = exec,
       .low = 1,
       .help = "newest checkpoints that are kept"},
      {.name = "checkpoint.keep_best",
       .type = integer,
       .default_value = 1,
       .field_class = exec,
       .low = 0,
       .help = "best checkpoints that are kept"},
      {.name = "checkpoint.best_by",
       .type = text,
       .default_value = "val/loss",
       .field_class = exec,
       .help = "the metric that says best: val/… or eval_val/…"},
  };
}

}  // namespace

std::vector<Field> training_rows() {
  std::vector<Field> rows = length();
  for (const std::vector<Field>& group :
       {batch(), denoising(), optimization(), clip(), compat(), checkpoint()}) {
    rows.insert(rows.end(), group.begin(), group.end());
  }
  return rows;
}

}  // namespace sarsweep::config
