#include "trainer/core/config/run_config.h"

#include <fmt/format.h>

#include <cmath>
#include <sstream>

#include "schema/base/error.h"
#include "schema/config/fields.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& field, const json& value, const std::string& cure) {
  throw Error(ErrorCode::invalid, fmt::format("{} is {}: {}", field, value.dump(), cure), field);
}

TrainMode parse_mode(const json& value) {
  const auto text = value.get<std::string>();
  if (text == "full") return TrainMode::full;
  return text == "lora" ? TrainMode::lora : TrainMode::frozen;
}

VaeMode parse_vae_mode(const json& value) {
  const auto text = value.get<std::string>();
  if (text == "full") return VaeMode::full;
  return text == "decoder" ? VaeMode::decoder : VaeMode::frozen;
}

NetworkConfig parse_network(const json& flat, const std::string& part) {
  NetworkConfig network;
  network.mode = parse_mode(flat.at(part + ".mode"));
  network.lr = flat.at(part + ".lr").get<double>();
  network.rank = flat.at(part + ".rank").get<std::int64_t>();
  network.alpha = flat.at(part + ".alpha").get<double>();
  network.targets = flat.at(part + ".targets").get<std::string>();
  if (flat.contains(part + ".init")) network.init = flat.at(part + ".init").get<std::string>();
  return network;
}

template <class T>
std::optional<T> parse_optional(const json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<T>());
}

// A number of updates, or "2epochs".
void parse_warmup(const json& value, TrainConfig& train) {
  if (value.is_number()) {
    train.warmup = value.get<double>();
  } else {
    const auto text = value.get<std::string>();
    std::size_t used = 0;
    try {
      train.warmup = std::stod(text, &used);
    } catch (const std::logic_error&) {
      used = 0;
    }
    const std::string unit = text.substr(used);
    if (used == 0 || (unit != "epochs" && unit != "epoch")) {
      refuse("train.warmup", value, "use a number of updates, or \"2epochs\"");
    }
    train.warmup_in_epochs = true;
  }
  if (!(train.warmup >= 0)) refuse("train.warmup", value, "use a number of updates >= 0");
}

Tail parse_tail(const std::string& text) {
  if (text == "carry") return Tail::carry;
  return text == "drop" ? Tail::drop : Tail::flush;
}

std::optional<Prediction> parse_prediction(const std::string& text) {
  if (text == "model") return std::nullopt;
  return text == "v" ? Prediction::velocity : Prediction::epsilon;
}

LrShape parse_shape(const std::string& text) {
  if (text == "linear") return LrShape::linear;
  return text == "cosine" ? LrShape::cosine : LrShape::constant;
}

void parse_optimization(const json& flat, TrainConfig& train) {
  const json& betas = flat.at("train.betas");
  if (betas.size() != 2) refuse("train.betas", betas, "use two numbers");
  train.betas = {betas[0].get<double>(), betas[1].get<double>()};
  train.eps = flat.at("train.eps").get<double>();
  train.weight_decay = flat.at("train.weight_decay").get<double>();
  train.clip_norm = flat.at("train.clip_norm").get<double>();
  train.clip_by_part = flat.at("train.clip_scope") == "by_part";
  train.schedule = parse_shape(flat.at("train.schedule").get<std::string>());
  train.ema_decay = parse_optional<double>(flat.at("train.ema_decay"));
  parse_warmup(flat.at("train.warmup"), train);
}

TrainConfig parse_train(const json& flat) {
  TrainConfig train;
  train.epochs = parse_optional<std::int64_t>(flat.at("train.epochs"));
  train.steps = parse_optional<std::int64_t>(flat.at("train.steps"));
  train.global_batch = flat.at("train.global_batch").get<std::int64_t>();
  const json& micro = flat.at("train.micro_batch");
  if (micro.is_number()) train.micro_batch = micro.get<std::int64_t>();
  train.tail = parse_tail(flat.at("train.tail").get<std::string>());
  train.noise_offset = flat.at("train.noise_offset").get<double>();
  train.min_snr_gamma = parse_optional<double>(flat.at("train.min_snr_gamma"));
  train.prediction = parse_prediction(flat.at("train.prediction").get<std::string>());
  train.bf16 = flat.at("train.precision") == "bf16";
  train.recompute_blocks = flat.at("train.gradient_checkpointing") == "block";
  train.latent_mean = flat.at("train.latents") == "mean";
  parse_optimization(flat, train);
  return train;
}

VaeTraining parse_vae(const json& flat) {
  VaeTraining vae;
  vae.mode = parse_vae_mode(flat.at("vae.mode"));
  vae.lr = flat.at("vae.lr").get<double>();
  vae.kl_weight = flat.at("vae.kl_weight").get<double>();
  vae.refinement.literal_rayleigh = flat.at("vae.rayleigh") == "literal";
  vae.refinement.rayleigh_weight = flat.at("vae.rayleigh_weight").get<double>();
  vae.refinement.histogram_weight = flat.at("vae.histogram_weight").get<double>();
  vae.refinement.spectrum_weight = flat.at("vae.spectrum_weight").get<double>();
  vae.refinement.histogram_bins = flat.at("vae.histogram_bins").get<std::int64_t>();
  if (vae.mode != VaeMode::decoder) return vae;
  vae.refinement.anchor_weight = flat.at("vae.anchor_weight").get<double>();
  vae.t_max = flat.at("vae.t_max").get<std::int64_t>();
  vae.late_share = flat.at("vae.late_share").get<double>();
  vae.decoder_only = flat.at("vae.gradient") == "decoder_only";
  return vae;
}

TokenConfig parse_token(const json& flat) {
  TokenConfig token;
  if (const json& text = flat.at("token.text"); text.is_string()) {
    std::istringstream words(text.get<std::string>());
    for (std::string word; words >> word;) token.texts.push_back(word);
    if (token.texts.empty())
      refuse("token.text", text, "write a token such as <SAR>, or leave it out");
  }
  token.train = flat.at("token.train").get<bool>();
  token.init = flat.at("token.init").get<std::string>();
  token.lr = flat.at("token.lr").get<double>();
  return token;
}

// A contrastive batch that is not full is another loss: what is left of an epoch is dropped.
void parse_clip(const json& flat, RunConfig& config) {
  const json& towers = flat.at("clip.towers");
  config.clip.lr = flat.at("clip.lr").get<double>();
  config.clip.image = towers != "text";
  config.clip.text = towers != "image";
  config.train.epochs = parse_optional<std::int64_t>(flat.at("clip.epochs"));
  config.train.steps = parse_optional<std::int64_t>(flat.at("clip.steps"));
  config.train.global_batch = flat.at("clip.batch").get<std::int64_t>();
  config.train.tail = Tail::drop;
  config.train.bf16 = flat.at("clip.precision") == "bf16";
}

RunConfig from_complete(const json& flat) {
  RunConfig config;
  config.job = flat.at("job").get<std::string>();
  const json& path = flat.at("model.path");
  if (path.is_string()) config.model_path = path.get<std::string>();
  config.prompt.replace = flat.at("prompt.replace");
  config.prompt.dropout = flat.at("prompt.dropout").get<double>();
  config.prompt.uncond_zeros = flat.at("prompt.uncond") == "zeros";
  config.unet = parse_network(flat, "unet");
  config.text_encoder_1 = parse_network(flat, "text_encoder_1");
  config.text_encoder_2 = parse_network(flat, "text_encoder_2");
  config.vae = parse_vae(flat);
  config.token = parse_token(flat);
  config.pool_at_greatest_id = flat.at("compat.pool") == "hf_argmax";
  config.stretch = flat.at("data.stretch");
  config.train = parse_train(flat);
  if (config.job == "clip") parse_clip(flat, config);
  return config;
}

// The legality of what the file gives; a complete sweep's rules about data paths do not apply.
void require_legal(const json& given) {
  for (const auto& [name, value] : given.items()) {
    const config::Field* field = config::find_field(name);
    if (field == nullptr) {
      const std::string nearest = config::nearest_field(name);
      const std::string cure =
          nearest.empty() ? "no field has this name" : "did you mean '" + nearest + "'?";
      refuse(name, value, cure);
    }
    if (value.is_null()) continue;
    if (const auto fault = config::check_value(*field, value)) refuse(name, value, *fault);
  }
}

// What is legal alone and not together; a replay has neither model nor data.
void require_possible(const json& active) {
  for (const config::Problem& problem : config::combination_problems(active)) {
    if (problem.code == "missing") continue;
    throw Error(ErrorCode::invalid,
                problem.message + (problem.suggestion.empty() ? "" : "; " + problem.suggestion),
                problem.field);
  }
}

}  // namespace

RunConfig parse_run_config(const json& nested) {
  const json given = config::flatten(nested);
  const json complete = config::with_defaults(given);
  require_legal(given);
  require_legal(config::active_only(complete));
  require_possible(config::active_only(complete));
  try {
    return from_complete(complete);
  } catch (const json::exception& error) {
    throw Error(ErrorCode::invalid, fmt::format("config of the run: {}", error.what()));
  }
}

std::int64_t total_updates(const TrainConfig& train, std::int64_t images) {
  if (train.steps) return *train.steps;
  return Accumulation{images, train.global_batch, train.tail}.updates_of(train.epochs.value_or(0));
}

bool trains_text(const RunConfig& config) {
  return config.text_encoder_1.mode != TrainMode::frozen ||
         config.text_encoder_2.mode != TrainMode::frozen || config.token.train;
}

LrSchedule lr_schedule_of(const TrainConfig& train, std::int64_t updates, std::int64_t images) {
  const double per_epoch = static_cast<double>(images) / static_cast<double>(train.global_batch);
  const double warmup = train.warmup_in_epochs ? train.warmup * per_epoch : train.warmup;
  return {train.schedule, std::llround(warmup), updates};
}

}  // namespace sarsweep::trainer
