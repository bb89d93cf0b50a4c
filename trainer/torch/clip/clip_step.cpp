#include "trainer/torch/clip/clip_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstddef>
#include <span>

#include <c10/core/GradMode.h>

#include "trainer/torch/clip/contrastive_loss.h"

namespace sarsweep::trainer {
namespace {

ParameterGroup train_group(const char* name, double lr, NamedTensors tensors) {
  for (auto& [tensor_name, tensor] : tensors) tensor.set_requires_grad(true);
  return {name, lr, /*decays=*/true, std::move(tensors)};
}

// What trains. The scale of the logits is never decayed: 0 is no better a logarithm than another.
std::vector<ParameterGroup> select_trainable(ClipModel& model, const ClipTraining& config) {
  model.vision.require_grad(false);
  model.text.require_grad(false);
  std::vector<ParameterGroup> groups;
  if (config.image) {
    groups.push_back(train_group("image_tower", config.lr, model.vision.parameters()));
  }
  if (config.text) groups.push_back(train_group("text_tower", config.lr, model.text.parameters()));
  groups.push_back(train_group("logit_scale", config.lr, {{"logit_scale", model.logit_scale}}));
  groups.back().decays = false;
  return groups;
}

// Rows of all ranks, each at its place of the update: zeros elsewhere, then the sum.
at::Tensor gathered(Communicator& ranks, const at::Tensor& own, std::int64_t first,
                    std::int64_t count) {
  if (ranks.size() == 1) return own;
  at::Tensor all = at::zeros({count, own.size(1)}, own.options());
  all.narrow(0, first, own.size(0)).copy_(own);
  if (!ranks.sums_on_device()) all = all.to(at::kCPU);
  ranks.sum({all.mutable_data_ptr<float>(), static_cast<std::size_t>(all.numel())});
  return all.to(own.device());
}

at::Tensor leaf(const at::Tensor& value) { return value.detach().set_requires_grad(true); }

}  // namespace

ClipStep::ClipStep(ClipModel& model, const RunConfig& config, LrSchedule schedule)
    : model_(model),
      config_(config.clip),
      type_(config.train.bf16 ? at::kBFloat16 : at::kFloat),
      rule_(select_trainable(model, config.clip), config.train, schedule) {}

ClipStep::Embeddings ClipStep::embed(const std::vector<PairBatch>& passes) const {
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> pictures, captions;
  for (const PairBatch& pass : passes) {
    pictures.push_back(embed_pictures(model_, pass.codes, type_));
    captions.push_back(embed_captions(model_, pass.ids, type_));
  }
  if (passes.empty()) {
    const at::Tensor none = at::zeros({0, model_.config.vision.projection_dim},
                                      at::device(device_of(model_)).dtype(at::kFloat));
    return {none, none};
  }
  return {at::cat(pictures), at::cat(captions)};
}

MicroLosses ClipStep::accumulate(Communicator& ranks, const UpdateRange& update,
                                 const UpdateRange& share, const std::vector<PairBatch>& passes) {
  const Embeddings own = embed(passes);
  const std::int64_t first = share.begin - update.begin;
  const at::Tensor pictures = leaf(gathered(ranks, own.pictures, first, update.size));
  const at::Tensor captions = leaf(gathered(ranks, own.captions, first, update.size));
  const at::Tensor losses = contrastive_losses(pictures, captions, model_.logit_scale);
  const auto gradients =
      torch::autograd::grad({losses.mean()}, {pictures, captions, model_.logit_scale});
  if (ranks.first()) torch::autograd::backward({model_.logit_scale}, {gradients[2]});
  std::int64_t row = first;
  for (const PairBatch& pass : passes) {
    ranks.note_progress();
    const std::int64_t count = pass.codes.size(0);
    propagate(pass, {gradients[0].narrow(0, row, count), gradients[1].narrow(0, row, count)});
    row += count;
  }
  const at::Tensor reported = losses.detach().narrow(0, first, share.size);
  return {reported, reported, {}};
}

void ClipStep::propagate(const PairBatch& pass, const Embeddings& gradients) const {
  if (config_.image) {
    torch::autograd::backward({embed_pictures(model_, pass.codes, type_)}, {gradients.pictures});
  }
  if (config_.text) {
    torch::autograd::backward({embed_captions(model_, pass.ids, type_)}, {gradients.captions});
  }
}

at::Tensor ClipStep::losses(const std::vector<PairBatch>& passes) const {
  const c10::NoGradGuard no_grad;
  const Embeddings embeddings = embed(passes);
  return contrastive_losses(embeddings.pictures, embeddings.captions, model_.logit_scale);
}

void ClipStep::bound_scale() {
  const c10::NoGradGuard no_grad;
  model_.logit_scale.clamp_max_(kGreatestLogitScale);
}

}  // namespace sarsweep::trainer
