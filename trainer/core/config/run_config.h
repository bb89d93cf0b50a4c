#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/schedule/accumulation.h"
#include "trainer/core/schedule/lr_schedule.h"
#include "trainer/core/schedule/noise_schedule.h"

// The typed view of run.json's `config`: the fields that decide what an update does. Names, units
// and defaults are those of docs/fields.md.
namespace sarsweep::trainer {

enum class TrainMode { full, lora, frozen };

struct NetworkConfig {  // unet, text_encoder_1, text_encoder_2
  TrainMode mode = TrainMode::frozen;
  double lr = 0;
  std::int64_t rank = 0;
  double alpha = 0;
  std::string targets = "attn";
  std::string init = "kaiming";  // | "gaussian"
};

// What is asked of decoded pictures beside their pixels
// (trainer/torch/training/refinement_terms.h).
struct Refinement {
  bool literal_rayleigh = false;  // else local
  double rayleigh_weight = 0, histogram_weight = 0, spectrum_weight = 0;
  double anchor_weight = 0;  // of the L1 distance; 0 in job vae, whose loss has its own
  std::int64_t histogram_bins = 0;
};

enum class VaeMode { frozen, decoder, full };  // full only in job vae

struct VaeTraining {
  VaeMode mode = VaeMode::frozen;
  double lr = 0, kl_weight = 0;
  Refinement refinement;
  // Of mode decoder.
  std::int64_t t_max = 0;     // samples below this timestep are refined
  double late_share = 0;      // of the draws: below t_max
  bool decoder_only = false;  // the refinement's gradient stops at the predicted latents
};

struct PromptConfig {
  nlohmann::json replace = nlohmann::json::object();  // text -> text, first match
  double dropout = 0;
  bool uncond_zeros = false;  // else a dropped caption is the encoded empty one
};

struct TokenConfig {
  std::vector<std::string> texts;  // of token.text, which separates several by spaces
  bool train = false;
  std::string init = "mean";  // | "random" | "word"
  double lr = 0;
};

struct TrainConfig {
  std::optional<std::int64_t> epochs, steps;  // one of them; steps may be 0
  std::int64_t global_batch = 0;
  std::optional<std::int64_t> micro_batch;  // nullopt: auto
  Tail tail = Tail::flush;
  double noise_offset = 0;
  std::optional<double> min_snr_gamma;
  std::optional<Prediction> prediction;  // none: what the model predicts
  bool bf16 = false;                     // train.precision; weights, optimizer and losses stay fp32
  bool recompute_blocks = false;         // train.gradient_checkpointing: block
  bool latent_mean = false;              // latents are the posterior's mean, not a draw
  std::array<double, 2> betas{};
  double eps = 0, weight_decay = 0, clip_norm = 0;
  bool clip_by_part = true;  // the VAE by its own norm, all else by theirs
  LrShape schedule = LrShape::constant;
  double warmup = 0;  // updates, or epochs
  bool warmup_in_epochs = false;
  std::optional<double> ema_decay;
};

struct ClipTraining {  // of job clip
  double lr = 0;
  bool image = true, text = true;  // the towers that train
};

struct RunConfig {
  std::string job;         // "diffusion" | "vae" | "clip"
  std::string model_path;  // empty where the run does not name one
  PromptConfig prompt;
  NetworkConfig unet, text_encoder_1, text_encoder_2;
  VaeTraining vae;
  TokenConfig token;
  ClipTraining clip;
  bool pool_at_greatest_id = false;  // compat.pool: hf_argmax
  nlohmann::json stretch;            // data.stretch as given; null where absent
  TrainConfig train;  // in job clip its length, batch and precision are those of `clip`
};

// `nested`: `config` of run.json; a missing field has its default. Throws Error(invalid) naming
// field, value and cure for an unknown field, an illegal value or one this version cannot honour.
RunConfig parse_run_config(const nlohmann::json& nested);

// Updates of the run over a training split of `images`.
std::int64_t total_updates(const TrainConfig& train, std::int64_t images);
// Whether what a caption encodes to changes in the run.
bool trains_text(const RunConfig& config);
// The schedule of a run of `updates` updates; `images` turns a warm-up in epochs into updates.
LrSchedule lr_schedule_of(const TrainConfig& train, std::int64_t updates, std::int64_t images);

}  // namespace sarsweep::trainer
