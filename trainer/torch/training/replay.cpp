#include "trainer/torch/training/replay.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <string_view>
#include <utility>

#include "schema/base/error.h"
#include "trainer/core/schedule/accumulation.h"
#include "trainer/torch/training/diffusion_step.h"
#include "trainer/torch/training/vae_step.h"

namespace sarsweep::trainer {
namespace {

void require(const at::Tensor& tensor, std::string_view name) {
  if (!tensor.defined()) {
    throw Error(ErrorCode::invalid,
                fmt::format("the replay's inputs lack '{}', which this run reads", name));
  }
}

void require_diffusion_inputs(const TrainBatch& inputs, const RunConfig& config) {
  if (!inputs.latents.defined() && !config.train.latent_mean) {
    require(inputs.posterior_noise, "posterior_noise");
  }
  if (config.vae.mode == VaeMode::decoder) require(inputs.pixels, "pixels");
  if (config.train.noise_offset > 0) require(inputs.offset_noise, "offset_noise");
  require(inputs.noise, "noise");
  require(inputs.timesteps, "timesteps");
  require(inputs.input_ids, "input_ids");
  require(inputs.input_ids_2, "input_ids_2");
  require(inputs.time_ids, "time_ids");
}

// Where a tensor of the file goes, and what it becomes there.
using Place = std::pair<at::Tensor*, at::ScalarType>;

std::map<std::string_view, Place> places_of(TrainBatch& batch) {
  return {{"latents", {&batch.latents, at::kFloat}},
          {"pixels", {&batch.pixels, at::kFloat}},
          {"posterior_noise", {&batch.posterior_noise, at::kFloat}},
          {"noise", {&batch.noise, at::kFloat}},
          {"offset_noise", {&batch.offset_noise, at::kFloat}},
          {"timesteps", {&batch.timesteps, at::kLong}},
          {"time_ids", {&batch.time_ids, at::kFloat}},
          {"input_ids", {&batch.input_ids, at::kLong}},
          {"input_ids_2", {&batch.input_ids_2, at::kLong}},
          {"drop", {&batch.drop, at::kBool}}};
}

constexpr const char *kShape = "lr_schedule", *kWarmup = "lr_warmup", *kTotal = "lr_updates",
                     *kEpoch = "epoch_images";
const std::map<std::string, LrShape> kShapes = {
    {"constant", LrShape::constant}, {"linear", LrShape::linear}, {"cosine", LrShape::cosine}};

std::int64_t whole_number(const FileMetadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  std::int64_t value = 0;
  if (found != metadata.end()) {
    const std::string& text = found->second;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault == std::errc() && end == text.data() + text.size() && value >= 0) return value;
  }
  throw Error(ErrorCode::invalid,
              fmt::format("the metadata of the replay's inputs lack a whole number '{}'", key));
}

template <class Step>
class Replay {
 public:
  Replay(Step& step, const TrainBatch& inputs, const TrainConfig& train, std::string term)
      : step_(step), inputs_(inputs), train_(train), term_(std::move(term)) {}

  ReplayResult run(std::int64_t epoch_images) {
    const Accumulation plan{epoch_images, train_.global_batch, train_.tail};
    UpdateRange rows;
    for (std::int64_t index = 0;; ++index) {
      rows.begin += rows.size;
      rows.size = plan.update(index).size;
      if (rows.begin + rows.size > inputs_.size()) break;
      update(index, rows);
    }
    result_.weights = step_.rule().weights();
    for (const auto& [name, average] : step_.rule().averages()) {
      result_.weights.emplace_back("ema." + name, average);
    }
    return std::move(result_);
  }

 private:
  void update(std::int64_t index, const UpdateRange& range) {
    double sum = 0;
    for (const UpdateRange& micro : micro_batches(range, train_.micro_batch.value_or(range.size))) {
      const MicroLosses losses =
          on_host(step_.micro(rows_of(inputs_, micro.begin, micro.size), range.size));
      const double total = losses.loss.sum(at::kDouble).item<double>();
      const double term = losses.diffusion.sum(at::kDouble).item<double>();
      const auto images = static_cast<double>(micro.size);
      nlohmann::json means = {{"loss", total / images}, {term_, term / images}};
      for (const RefinementTerm& refined : losses.terms) {
        means[refined.name] = refined.loss.sum(at::kDouble).item<double>() / images;
      }
      result_.losses["micro"].push_back(std::move(means));
      sum += total;
    }
    if (index == 0) {
      for (const auto& [name, gradient] : step_.rule().optimizer().gradients()) {
        result_.first_gradients.emplace_back(name, gradient.clone());
      }
    }
    const UpdateOutcome outcome = step_.rule().apply(index);
    result_.losses["updates"].push_back(
        {{"loss", sum / static_cast<double>(range.size)}, {"grad_norm", outcome.grad_norm}});
  }

  Step& step_;
  const TrainBatch& inputs_;
  const TrainConfig& train_;
  std::string term_;
  ReplayResult result_{
      {{"micro", nlohmann::json::array()}, {"updates", nlohmann::json::array()}}, {}, {}};
};

}  // namespace

TrainBatch parse_replay_inputs(const NamedTensors& tensors) {
  TrainBatch batch;
  const std::map<std::string_view, Place> places = places_of(batch);
  for (const auto& [name, tensor] : tensors) {
    const auto place = places.find(name);
    if (place == places.end()) {
      throw Error(ErrorCode::invalid, fmt::format("'{}' is no input of a replay", name));
    }
    const auto& [target, type] = place->second;
    *target = tensor.to(type);
  }
  const std::int64_t rows = batch.size();
  for (const auto& [name, tensor] : tensors) {
    if (tensor.dim() > 0 && tensor.size(0) == rows) continue;
    throw Error(ErrorCode::invalid, fmt::format("'{}' does not have {} rows, one per image, as the "
                                                "latents or pixels do",
                                                name, rows));
  }
  return batch;
}

NamedTensors replay_tensors(const TrainBatch& batch) {
  TrainBatch given = batch;
  if (given.input_ids.defined() && !given.drop.defined()) {
    given.drop = at::zeros({given.input_ids.size(0)}, at::kBool);
  }
  NamedTensors tensors;
  for (const auto& [name, place] : places_of(given)) {
    const auto& [tensor, type] = place;
    if (!tensor->defined()) continue;
    tensors.emplace_back(name, tensor->to(type == at::kBool ? at::kByte : type));
  }
  return tensors;
}

FileMetadata replay_metadata(const RecordedRun& run) {
  FileMetadata metadata = {{kWarmup, std::to_string(run.schedule.warmup)},
                           {kTotal, std::to_string(run.schedule.total)},
                           {kEpoch, std::to_string(run.epoch_images)}};
  for (const auto& [name, shape] : kShapes) {
    if (shape == run.schedule.shape) metadata[kShape] = name;
  }
  return metadata;
}

std::optional<RecordedRun> parse_replay_metadata(const FileMetadata& metadata) {
  const auto shape = metadata.find(kShape);
  if (shape == metadata.end()) return std::nullopt;
  const auto known = kShapes.find(shape->second);
  if (known == kShapes.end()) {
    throw Error(ErrorCode::invalid, fmt::format("the replay's inputs are of a schedule '{}'; known "
                                                "are constant, linear and cosine",
                                                shape->second));
  }
  const LrSchedule schedule = {known->second, whole_number(metadata, kWarmup),
                               whole_number(metadata, kTotal)};
  return RecordedRun{schedule, metadata.contains(kEpoch) ? whole_number(metadata, kEpoch) : 0};
}

ReplayResult replay_run(Pipeline& pipeline, const RunConfig& config, std::uint64_t seed,
                        const TrainBatch& inputs, const NamedTensors& init,
                        const std::optional<RecordedRun>& recorded) {
  const std::int64_t images =
      recorded && recorded->epoch_images > 0 ? recorded->epoch_images : inputs.size();
  const LrSchedule schedule =
      recorded ? recorded->schedule
               : lr_schedule_of(config.train, total_updates(config.train, images), images);
  if (config.job == "vae") {
    require(inputs.pixels, "pixels");
    require(inputs.posterior_noise, "posterior_noise");
    VaeStep step(pipeline, config, schedule, seed);
    load_tensors_into(step.rule().groups(), init);
    return Replay<VaeStep>(step, inputs, config.train, "l1").run(images);
  }
  require_diffusion_inputs(inputs, config);
  DiffusionStep step(pipeline, config, schedule, seed);
  load_tensors_into(step.rule().groups(), init);
  return Replay<DiffusionStep>(step, inputs, config.train, "diffusion").run(images);
}

}  // namespace sarsweep::trainer
