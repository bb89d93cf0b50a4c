#include "trainer/torch/jobs/update_record.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <utility>

#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {

UpdateRecord::UpdateRecord(RecordOrder order, const RecordedRun& run)
    : order_(std::move(order)), run_(run) {
  order_.updates = std::min<long>(order_.updates, run_.schedule.total);
}

void UpdateRecord::finish(long index) const {
  if (index + 1 != order_.updates) return;
  std::vector<NamedTensors> parts;
  for (const TrainBatch& pass : passes_) parts.push_back(replay_tensors(pass));
  NamedTensors whole;
  for (std::size_t i = 0; i < parts.front().size(); ++i) {
    std::vector<at::Tensor> rows;
    for (const NamedTensors& part : parts) rows.push_back(part[i].second);
    whole.emplace_back(parts.front()[i].first, at::cat(rows));
  }
  save_tensors(order_.file, whole, replay_metadata(run_));
}

}  // namespace sarsweep::trainer
