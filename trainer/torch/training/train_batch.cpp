#include "trainer/torch/training/train_batch.h"

#include <initializer_list>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

// Applies `change` to every defined tensor of a copy.
template <class Change>
TrainBatch changed(const TrainBatch& batch, Change change) {
  TrainBatch result = batch;
  for (at::Tensor* tensor :
       {&result.latents, &result.pixels, &result.posterior_noise, &result.noise,
        &result.offset_noise, &result.timesteps, &result.time_ids, &result.input_ids,
        &result.input_ids_2, &result.drop}) {
    if (tensor->defined()) *tensor = change(*tensor);
  }
  if (result.conditioning) {
    result.conditioning->context = change(result.conditioning->context);
    result.conditioning->pooled = change(result.conditioning->pooled);
  }
  return result;
}

}  // namespace

std::int64_t TrainBatch::size() const {
  for (const at::Tensor* tensor : {&latents, &pixels}) {
    if (tensor->defined()) return tensor->size(0);
  }
  throw Error(ErrorCode::invalid, "a training batch has neither latents nor pixels");
}

TrainBatch rows_of(const TrainBatch& batch, std::int64_t begin, std::int64_t size) {
  return changed(batch, [&](const at::Tensor& tensor) { return tensor.narrow(0, begin, size); });
}

TrainBatch to_device(const TrainBatch& batch, at::Device device) {
  TrainBatch moved = changed(batch, [&](const at::Tensor& tensor) { return tensor.to(device); });
  moved.timesteps = batch.timesteps;
  return moved;
}

}  // namespace sarsweep::trainer
