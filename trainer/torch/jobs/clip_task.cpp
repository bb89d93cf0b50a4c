#include "trainer/torch/jobs/clip_task.h"

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "trainer/core/schedule/accumulation.h"
#include "trainer/torch/clip/clip_step.h"
#include "trainer/torch/jobs/pixel_source.h"
#include "trainer/torch/jobs/pooled_update.h"
#include "trainer/torch/jobs/task_inputs.h"
#include "trainer/torch/jobs/training_data.h"

namespace sarsweep::trainer {
namespace {

// The pool of val/loss: of one size whatever clip.batch is, so that runs compare.
constexpr std::size_t kValPairs = 100, kValPass = 16;

}  // namespace

struct ClipTask::State {
  State(RunContext& context, const ClipInputs& given)
      : run(context),
        inputs(given),
        validation(validation_split(given.data.options(), given.data.stretch())),
        pictures(given.data, given.seed),
        accumulation{static_cast<std::int64_t>(given.data.items().size()),
                     given.config.train.global_batch, given.config.train.tail},
        stream(given.seed, given.data.items().size()),
        step(given.source.model, given.config,
             lr_schedule_of(given.config.train, given.updates, accumulation.images)) {
    if (run.ranks().size() > 1) step.rule().optimizer().keep_gradients_together();
  }

  EightBitImage square(const AmplitudeImage& stretched) const {
    return clip_square(eight_bit(stretched), inputs.source.model.config.vision.image_size);
  }

  PairBatch batch_of(const std::vector<StreamSample>& samples) {
    std::vector<EightBitImage> squares;
    std::vector<std::string> captions;
    for (const StreamSample& sample : samples) {
      squares.push_back(square(pictures.stretched(sample)));
      captions.push_back(inputs.data.items()[sample.image].prompt);
    }
    return {clip_codes(squares), clip_ids(inputs.source.model, captions)};
  }

  // Evenly spaced over the split, which lists one label after the other.
  std::vector<PairBatch> validation_pool() const {
    const std::size_t all = validation->items().size(), count = std::min(kValPairs, all);
    std::vector<PairBatch> passes;
    for (std::size_t begin = 0; begin < count; begin += kValPass) {
      std::vector<EightBitImage> squares;
      std::vector<std::string> captions;
      for (std::size_t i = begin; i < std::min(begin + kValPass, count); ++i) {
        const std::size_t item = i * all / count;
        squares.push_back(square(validation->stretched(item)));
        captions.push_back(validation->items()[item].prompt);
      }
      passes.push_back({clip_codes(squares), clip_ids(inputs.source.model, captions)});
    }
    return passes;
  }

  RunContext& run;
  ClipInputs inputs;
  std::optional<Dataset> validation;
  PixelSource pictures;
  Accumulation accumulation;
  SampleStream stream;
  ClipStep step;
};

ClipTask::ClipTask(RunContext& run, const ClipInputs& inputs)
    : state_(std::make_unique<State>(run, inputs)) {}
ClipTask::~ClipTask() = default;

UpdateRule& ClipTask::rule() { return state_->step.rule(); }

UpdateReport ClipTask::update(long index) {
  Communicator& ranks = state_->run.ranks();
  const UpdateRange range = state_->accumulation.update(index);
  const UpdateRange share = share_of(range, ranks.rank(), ranks.size());
  UpdateReport report;
  std::vector<PairBatch> passes;
  for (const UpdateRange& pass : micro_batches(share, state_->inputs.micro_batch)) {
    passes.push_back(state_->batch_of(
        samples_of_pass(ranks, state_->stream, state_->inputs.data, pass, report)));
  }
  const MicroLosses losses = state_->step.accumulate(ranks, range, share, passes);
  finish_update(ranks, rule(), {index, range.size}, {losses}, report);
  state_->step.bound_scale();
  report.terms["logit_scale"] = {state_->inputs.source.model.logit_scale.exp().item<double>()};
  return report;
}

std::optional<double> ClipTask::validate() {
  if (!state_->validation || state_->validation->items().empty()) return std::nullopt;
  const LongWork looking(state_->run.ranks());
  return state_->step.losses(state_->validation_pool()).to(at::kDouble).mean().item<double>();
}

void ClipTask::snapshot(CheckpointContents& contents) {
  snapshot_rule(rule(), contents);
  contents.model = {{"family", "clip"},
                    {"base", state_->inputs.model_path},
                    {"base_digest", state_->inputs.source.digest}};
}

void ClipTask::restore(const CheckpointContents& contents) { restore_rule(rule(), contents); }

}  // namespace sarsweep::trainer
