#include "trainer/torch/jobs/vae_task.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>

#include <algorithm>
#include <cmath>
#include <span>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "trainer/core/schedule/accumulation.h"
#include "trainer/core/schedule/draws.h"
#include "trainer/torch/jobs/pictures.h"
#include "trainer/torch/jobs/pixel_source.h"
#include "trainer/torch/jobs/pooled_update.h"
#include "trainer/torch/jobs/training_data.h"
#include "trainer/torch/training/vae_step.h"

namespace sarsweep::trainer {
namespace {

constexpr std::size_t kValImages = 32, kChunk = 16;
constexpr std::uint64_t kValSeed = 0;  // the same posterior noise in every run

at::Device device_of(const Autoencoder& vae) { return vae.parameters().front().second.device(); }

// [count,c,h,w] for pictures of `resolution`², filled by the samples' own draws.
at::Tensor posterior_noise(const VaeConfig& vae, std::uint64_t seed, int resolution,
                           const std::vector<std::int64_t>& sample_indices) {
  const std::int64_t factor = std::int64_t{1} << (vae.block_out_channels.size() - 1);
  const std::int64_t side = resolution / factor, size = vae.latent_channels * side * side;
  at::Tensor noise =
      at::empty({static_cast<std::int64_t>(sample_indices.size()), vae.latent_channels, side, side},
                at::kFloat);
  float* out = noise.mutable_data_ptr<float>();
  for (const std::int64_t index : sample_indices) {
    SampleDraws(seed, static_cast<std::uint64_t>(index))
        .fill_posterior(std::span<float>(out, static_cast<std::size_t>(size)));
    out += size;
  }
  return noise;
}

}  // namespace

struct VaeTask::State {
  State(RunContext& context, const TaskInputs& given)
      : run(context),
        inputs(given),
        validation(validation_split(given.data.options(), given.data.stretch())),
        pictures(given.data, given.seed),
        accumulation{static_cast<std::int64_t>(given.data.items().size()),
                     given.config.train.global_batch, given.config.train.tail},
        stream(given.seed, given.data.items().size()),
        step(given.model.pipeline, given.config,
             lr_schedule_of(given.config.train, given.updates, accumulation.images), given.seed) {
    if (run.ranks().size() > 1) step.rule().optimizer().keep_gradients_together();
  }

  Autoencoder& vae() const { return inputs.model.pipeline.vae; }

  TrainBatch batch_of(const std::vector<StreamSample>& samples) {
    std::vector<AmplitudeImage> images;
    std::vector<std::int64_t> indices;
    for (const StreamSample& sample : samples) {
      images.push_back(pictures.stretched(sample));
      indices.push_back(sample.sample_index);
    }
    return batch_of(images, inputs.seed, indices);
  }
  TrainBatch batch_of(const std::vector<AmplitudeImage>& images, std::uint64_t seed,
                      const std::vector<std::int64_t>& indices) const {
    TrainBatch batch;
    batch.pixels = pixels_of(images);
    batch.posterior_noise =
        posterior_noise(vae().config(), seed, inputs.data.options().resolution, indices);
    return to_device(batch, device_of(vae()));
  }

  // Of the latents that training draws, over the whole split.
  double latent_deviation() {
    const c10::NoGradGuard no_grad;
    double sum = 0, squares = 0, count = 0;
    for (std::size_t begin = 0; begin < inputs.data.items().size(); begin += kChunk) {
      run.stage("scaling", static_cast<long>(begin), static_cast<long>(inputs.data.items().size()));
      std::vector<AmplitudeImage> images;
      for (std::size_t i = begin; i < std::min(begin + kChunk, inputs.data.items().size()); ++i) {
        images.push_back(pictures.plain(i));
      }
      const Moments moments = vae().encode(pixels_of(images).to(device_of(vae())));
      const at::Tensor mean = moments.mean.to(at::kDouble);
      sum += mean.sum().item<double>();
      squares += (mean * mean + at::exp(moments.log_variance.to(at::kDouble))).sum().item<double>();
      count += static_cast<double>(mean.numel());
    }
    return std::sqrt(std::max(0.0, squares / count - (sum / count) * (sum / count)));
  }

  RunContext& run;
  TaskInputs inputs;
  std::optional<Dataset> validation;
  PixelSource pictures;
  Accumulation accumulation;
  SampleStream stream;
  VaeStep step;
};

VaeTask::VaeTask(RunContext& run, const TaskInputs& inputs)
    : state_(std::make_unique<State>(run, inputs)) {}
VaeTask::~VaeTask() = default;

UpdateRule& VaeTask::rule() { return state_->step.rule(); }

UpdateReport VaeTask::update(long index) {
  const UpdateRange range = state_->accumulation.update(index);
  UpdateRecord* const record = state_->inputs.record;
  const bool recorded = record != nullptr && record->wants(index);
  UpdateReport report;
  std::vector<MicroLosses> passes;
  const UpdateRange share = share_of(range, state_->run.ranks().rank(), state_->run.ranks().size());
  for (const UpdateRange& pass : micro_batches(share, state_->inputs.micro_batch)) {
    const TrainBatch batch = state_->batch_of(
        samples_of_pass(state_->run.ranks(), state_->stream, state_->inputs.data, pass, report));
    if (recorded) record->add(to_device(batch, at::kCPU));
    passes.push_back(state_->step.micro(batch, range.size));
  }
  finish_update(state_->run.ranks(), rule(), {index, range.size}, passes, report);
  if (recorded) record->finish(index);
  return report;
}

std::optional<double> VaeTask::validate() {
  if (!state_->validation || state_->validation->items().empty()) return std::nullopt;
  const c10::NoGradGuard no_grad;
  const std::size_t count = std::min(kValImages, state_->validation->items().size());
  double sum = 0;
  for (std::size_t begin = 0; begin < count; begin += kChunk) {
    state_->run.ranks().note_progress();
    std::vector<AmplitudeImage> images;
    std::vector<std::int64_t> indices;
    for (std::size_t i = begin; i < std::min(begin + kChunk, count); ++i) {
      images.push_back(state_->validation->stretched(i));
      indices.push_back(static_cast<std::int64_t>(i));
    }
    const TrainBatch batch = state_->batch_of(images, kValSeed, indices);
    sum += state_->step.losses(batch).loss.to(at::kDouble).sum().item<double>();
  }
  return sum / static_cast<double>(count);
}

void VaeTask::snapshot(CheckpointContents& contents) {
  snapshot_rule(rule(), contents);
  contents.model = model_document(state_->inputs);
}

void VaeTask::restore(const CheckpointContents& contents) {
  restore_rule(rule(), contents);
  state_->vae().set_scaling_factor(contents.model.at("vae_scaling_factor").get<double>());
}

void VaeTask::finish() {
  const double deviation = state_->latent_deviation();
  if (!std::isfinite(deviation) || deviation <= 0) {
    throw Error(ErrorCode::invalid, "the latents of the training split have standard deviation " +
                                        std::to_string(deviation) +
                                        "; train the VAE longer or with a lower lr");
  }
  state_->vae().set_scaling_factor(1 / deviation);
}

}  // namespace sarsweep::trainer
