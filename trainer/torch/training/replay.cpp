#include "trainer/torch/training/replay.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

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

template <class Step>
class Replay {
 public:
  Replay(Step& step, const TrainBatch& inputs, const TrainConfig& train, std::string term)
      : step_(step), inputs_(inputs), train_(train), term_(std::move(term)) {}

  ReplayResult run() {
    const Accumulation plan{inputs_.size(), train_.global_batch, train_.tail};
    const std::int64_t updates = plan.updates_of(1);
    for (std::int64_t index = 0; index < updates; ++index) update(index, plan.update(index));
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
  const std::map<std::string_view, std::pair<at::Tensor*, at::ScalarType>> places = {
      {"latents", {&batch.latents, at::kFloat}},
      {"pixels", {&batch.pixels, at::kFloat}},
      {"posterior_noise", {&batch.posterior_noise, at::kFloat}},
      {"noise", {&batch.noise, at::kFloat}},
      {"offset_noise", {&batch.offset_noise, at::kFloat}},
      {"timesteps", {&batch.timesteps, at::kLong}},
      {"time_ids", {&batch.time_ids, at::kFloat}},
      {"input_ids", {&batch.input_ids, at::kLong}},
      {"input_ids_2", {&batch.input_ids_2, at::kLong}},
      {"drop", {&batch.drop, at::kBool}}};
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

ReplayResult replay_run(Pipeline& pipeline, const RunConfig& config, std::uint64_t seed,
                        const TrainBatch& inputs, const NamedTensors& init) {
  const std::int64_t images = inputs.size();
  const LrSchedule schedule =
      lr_schedule_of(config.train, total_updates(config.train, images), images);
  if (config.job == "vae") {
    require(inputs.pixels, "pixels");
    require(inputs.posterior_noise, "posterior_noise");
    VaeStep step(pipeline, config, schedule, seed);
    load_tensors_into(step.rule().groups(), init);
    return Replay<VaeStep>(step, inputs, config.train, "l1").run();
  }
  require_diffusion_inputs(inputs, config);
  DiffusionStep step(pipeline, config, schedule, seed);
  load_tensors_into(step.rule().groups(), init);
  return Replay<DiffusionStep>(step, inputs, config.train, "diffusion").run();
}

}  // namespace sarsweep::trainer
