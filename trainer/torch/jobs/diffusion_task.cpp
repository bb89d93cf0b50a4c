#include "trainer/torch/jobs/diffusion_task.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include <c10/core/GradMode.h>

#include "trainer/core/schedule/accumulation.h"
#include "trainer/core/schedule/draws.h"
#include "trainer/torch/jobs/latent_source.h"
#include "trainer/torch/jobs/pictures.h"
#include "trainer/torch/jobs/pixel_source.h"
#include "trainer/torch/jobs/pooled_update.h"
#include "trainer/torch/jobs/text_cache.h"
#include "trainer/torch/jobs/training_data.h"
#include "trainer/torch/training/diffusion_step.h"

namespace sarsweep::trainer {
namespace {

constexpr std::size_t kValImages = 32;
constexpr std::int64_t kStrata = 10, kNoiseLevels = 1000;
constexpr std::uint64_t kValSeed = 0;  // the same noise in every run, so that val/loss compares

std::span<float> row(at::Tensor& tensor, std::int64_t index) {
  const std::int64_t size = tensor.numel() / tensor.size(0);
  return {tensor.mutable_data_ptr<float>() + index * size, static_cast<std::size_t>(size)};
}

at::Device device_of(const Pipeline& pipeline) {
  return pipeline.unet.parameters().front().second.device();
}

// The val images, encoded once: in job diffusion the VAE's encoder never changes.
struct Validation {
  at::Tensor latents;   // [N,4,h,w], scaled posterior means
  at::Tensor time_ids;  // [N,6]
  std::vector<std::string> prompts;
};

std::optional<Validation> prepare_validation(RunContext& run, const Dataset& data,
                                             const Pipeline& pipeline) {
  if (!run.ranks().first()) return std::nullopt;
  const std::optional<Dataset> val = validation_split(data.options(), data.stretch());
  if (!val || val->items().empty()) return std::nullopt;
  const c10::NoGradGuard no_grad;
  run.check_stop();
  const LongWork encoding(run.ranks());
  Validation validation;
  std::vector<AmplitudeImage> images;
  std::vector<std::array<float, 6>> conditionings;
  for (std::size_t i = 0; i < std::min(kValImages, val->items().size()); ++i) {
    images.push_back(val->stretched(i));
    conditionings.push_back(val->size_conditioning(i, val->items()[i].view));
    validation.prompts.push_back(val->items()[i].prompt);
  }
  validation.time_ids = time_ids_of(conditionings);
  const at::Tensor pixels = pixels_of(images).to(device_of(pipeline));
  validation.latents =
      (pipeline.vae.encode(pixels).mean * pipeline.vae.config().scaling_factor).to(at::kCPU);
  return validation;
}

}  // namespace

struct DiffusionTask::State {
  State(RunContext& context, const TaskInputs& given)
      : run(context),
        inputs(given),
        pixels(given.data, given.seed),
        latents(run, given.model.pipeline.vae, given.data, pixels),
        validation(prepare_validation(run, given.data, given.model.pipeline)),
        text(given.model.pipeline),
        accumulation{static_cast<std::int64_t>(given.data.items().size()),
                     given.config.train.global_batch, given.config.train.tail},
        stream(given.seed, given.data.items().size()),
        step(given.model.pipeline, given.config,
             lr_schedule_of(given.config.train, given.updates, accumulation.images), given.seed) {
    if (run.ranks().size() > 1) step.rule().optimizer().keep_gradients_together();
  }

  at::Tensor draw_latents(const std::vector<StreamSample>& samples) {
    const Moments moments = latents.moments(samples);
    const double scale = inputs.model.pipeline.vae.config().scaling_factor;
    if (inputs.config.train.latent_mean) return moments.mean * scale;
    at::Tensor noise = at::empty(moments.mean.sizes(), at::kFloat);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      draws(samples[i]).fill_posterior(row(noise, static_cast<std::int64_t>(i)));
    }
    return (moments.mean + at::exp(moments.log_variance * 0.5) * noise) * scale;
  }

  void set_captions(TrainBatch& batch, const std::vector<StreamSample>& samples, bool as_ids) {
    const PromptConfig& prompt = inputs.config.prompt;
    std::vector<std::string> prompts;
    at::Tensor dropped = at::zeros({static_cast<std::int64_t>(samples.size())}, at::kByte);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      prompts.push_back(inputs.data.items()[samples[i].image].prompt);
      dropped.mutable_data_ptr<std::uint8_t>()[i] =
          draws(samples[i]).caption_dropped(prompt.dropout) ? 1 : 0;
    }
    if (dropped.any().item<bool>()) batch.drop = dropped;
    if (!trains_text(inputs.config)) {
      batch.conditioning = text.encode(prompts);
      if (!as_ids) return;
    }
    batch.input_ids = ids_of(inputs.model.pipeline.tokenizer, prompts);
    batch.input_ids_2 = ids_of(inputs.model.pipeline.tokenizer_2, prompts);
  }

  static at::Tensor ids_of(const Tokenizer& tokenizer, const std::vector<std::string>& prompts) {
    std::vector<std::int64_t> all;
    for (const std::string& prompt : prompts) {
      const std::vector<std::int64_t> ids = tokenizer.encode(prompt);
      all.insert(all.end(), ids.begin(), ids.end());
    }
    return at::tensor(all, at::kLong).view({static_cast<std::int64_t>(prompts.size()), -1});
  }

  TrainBatch batch_of(const std::vector<StreamSample>& samples, bool recorded) {
    const auto count = static_cast<std::int64_t>(samples.size());
    TrainBatch batch;
    batch.latents = draw_latents(samples);
    batch.noise = at::empty(batch.latents.sizes(), at::kFloat);
    batch.offset_noise = at::empty({count, batch.latents.size(1), 1, 1}, at::kFloat);
    batch.timesteps = at::empty({count}, at::kLong);
    for (std::int64_t i = 0; i < count; ++i) {
      const SampleDraws draw = draws(samples[static_cast<std::size_t>(i)]);
      draw.fill_noise(row(batch.noise, i));
      draw.fill_offset(row(batch.offset_noise, i));
      batch.timesteps.mutable_data_ptr<std::int64_t>()[i] = timestep_of(draw);
    }
    if (inputs.config.vae.mode == VaeMode::decoder) set_pictures(batch, samples);
    batch.time_ids = pixels.time_ids(samples);
    set_captions(batch, samples, recorded);
    return batch;
  }

  std::int64_t timestep_of(const SampleDraws& draw) const {
    const VaeTraining& vae = inputs.config.vae;
    return vae.mode == VaeMode::decoder ? draw.timestep(vae.late_share, vae.t_max)
                                        : draw.timestep();
  }

  // Of the samples that are refined; the others' rows stay zero and are not read.
  void set_pictures(TrainBatch& batch, const std::vector<StreamSample>& samples) {
    const std::int64_t side = inputs.data.options().resolution;
    batch.pixels = at::zeros({static_cast<std::int64_t>(samples.size()), 3, side, side});
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      if (batch.timesteps.const_data_ptr<std::int64_t>()[row] >= inputs.config.vae.t_max) continue;
      batch.pixels[row].copy_(pixels_of(pixels.stretched(samples[i])));
    }
  }

  SampleDraws draws(const StreamSample& sample) const {
    return {inputs.seed, static_cast<std::uint64_t>(sample.sample_index)};
  }

  // Every val image at one timestep of the stratum, always with the same noise.
  TrainBatch validation_batch(std::int64_t stratum, const Conditioning& conditioning) const {
    const std::int64_t count = validation->latents.size(0);
    TrainBatch batch;
    batch.latents = validation->latents;
    batch.noise = at::empty(batch.latents.sizes(), at::kFloat);
    for (std::int64_t i = 0; i < count; ++i) {
      SampleDraws(kValSeed, static_cast<std::uint64_t>(i * kStrata + stratum))
          .fill_noise(row(batch.noise, i));
    }
    batch.offset_noise = at::zeros({count, batch.latents.size(1), 1, 1}, at::kFloat);
    const std::int64_t width = kNoiseLevels / kStrata;
    batch.timesteps = at::full({count}, stratum * width + width / 2, at::kLong);
    batch.time_ids = validation->time_ids;
    batch.conditioning = conditioning;
    return batch;
  }

  RunContext& run;
  TaskInputs inputs;
  PixelSource pixels;
  LatentSource latents;
  std::optional<Validation> validation;
  TextCache text;
  Accumulation accumulation;
  SampleStream stream;
  DiffusionStep step;
};

DiffusionTask::DiffusionTask(RunContext& run, const TaskInputs& inputs)
    : state_(std::make_unique<State>(run, inputs)) {}
DiffusionTask::~DiffusionTask() = default;

UpdateRule& DiffusionTask::rule() { return state_->step.rule(); }

UpdateReport DiffusionTask::update(long index) {
  const UpdateRange range = state_->accumulation.update(index);
  const at::Device device = device_of(state_->inputs.model.pipeline);
  UpdateRecord* const record = state_->inputs.record;
  const bool recorded = record != nullptr && record->wants(index);
  UpdateReport report;
  std::vector<MicroLosses> passes;
  const UpdateRange share = share_of(range, state_->run.ranks().rank(), state_->run.ranks().size());
  for (const UpdateRange& pass : micro_batches(share, state_->inputs.micro_batch)) {
    const std::vector<StreamSample> samples =
        samples_of_pass(state_->run.ranks(), state_->stream, state_->inputs.data, pass, report);
    const TrainBatch batch = state_->batch_of(samples, recorded);
    if (recorded) record->add(batch);
    passes.push_back(state_->step.micro(to_device(batch, device), range.size));
    for (std::size_t i = 0; i < samples.size(); ++i) {
      report.timesteps.push_back(batch.timesteps.const_data_ptr<std::int64_t>()[i]);
    }
  }
  finish_update(state_->run.ranks(), rule(), {index, range.size}, passes, report);
  if (recorded) record->finish(index);
  return report;
}

std::optional<double> DiffusionTask::validate() {
  if (!state_->validation) return std::nullopt;
  const c10::NoGradGuard no_grad;
  const Pipeline& pipeline = state_->inputs.model.pipeline;
  const Conditioning conditioning = trains_text(state_->inputs.config)
                                        ? encode_prompts(pipeline, state_->validation->prompts)
                                        : state_->text.encode(state_->validation->prompts);
  double sum = 0;
  for (std::int64_t stratum = 0; stratum < kStrata; ++stratum) {
    state_->run.ranks().note_progress();
    const TrainBatch batch =
        to_device(state_->validation_batch(stratum, conditioning), device_of(pipeline));
    sum += state_->step.losses(batch).diffusion.to(at::kDouble).mean().item<double>();
  }
  return sum / static_cast<double>(kStrata);
}

void DiffusionTask::snapshot(CheckpointContents& contents) {
  snapshot_rule(rule(), contents);
  contents.model = model_document(state_->inputs);
}

void DiffusionTask::restore(const CheckpointContents& contents) { restore_rule(rule(), contents); }

}  // namespace sarsweep::trainer
