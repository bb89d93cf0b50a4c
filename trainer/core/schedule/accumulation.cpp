#include "trainer/core/schedule/accumulation.h"

#include <fmt/format.h>

#include <algorithm>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

std::int64_t updates_per_epoch(const Accumulation& plan) {
  if (plan.tail == Tail::flush) {
    return (plan.images + plan.global_batch - 1) / plan.global_batch;
  }
  const std::int64_t full = plan.images / plan.global_batch;
  if (full == 0) {
    throw Error(ErrorCode::invalid,
                fmt::format("train.tail drop leaves nothing: global_batch {} is more than the {} "
                            "images of an epoch; use a smaller batch, flush or carry",
                            plan.global_batch, plan.images),
                "train.tail");
  }
  return full;
}

}  // namespace

UpdateRange Accumulation::update(std::int64_t index) const {
  if (tail == Tail::carry) return {index * global_batch, global_batch};
  const std::int64_t per_epoch = updates_per_epoch(*this);
  const std::int64_t start = (index % per_epoch) * global_batch;
  return {(index / per_epoch) * images + start, std::min(global_batch, images - start)};
}

std::int64_t Accumulation::updates_of(std::int64_t epochs) const {
  if (tail == Tail::carry) return epochs * images / global_batch;
  return epochs * updates_per_epoch(*this);
}

UpdateRange share_of(const UpdateRange& update, std::int64_t rank, std::int64_t ranks) {
  const std::int64_t each = update.size / ranks, left = update.size % ranks;
  return {update.begin + each * rank + std::min(rank, left), each + (rank < left ? 1 : 0)};
}

std::int64_t halved(std::int64_t micro_batch, int halvings) {
  constexpr int kAllBits = 62;
  return std::max<std::int64_t>(micro_batch >> std::clamp(halvings, 0, kAllBits), 1);
}

std::vector<UpdateRange> micro_batches(const UpdateRange& update, std::int64_t micro_batch) {
  std::vector<UpdateRange> micros;
  for (std::int64_t done = 0; done < update.size; done += micro_batch) {
    micros.push_back({update.begin + done, std::min(micro_batch, update.size - done)});
  }
  return micros;
}

}  // namespace sarsweep::trainer
