#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/data/dataset.h"
#include "trainer/core/schedule/accumulation.h"
#include "trainer/core/schedule/training_window.h"
#include "trainer/dist/communicator.h"
#include "trainer/torch/jobs/training_data.h"
#include "trainer/torch/training/micro_losses.h"
#include "trainer/torch/training/update_rule.h"

namespace sarsweep::trainer {

struct UpdateSize {
  long index = 0;
  std::int64_t images = 0;  // of all ranks
};

// Makes of every rank's share of an update the whole update, on all ranks, and takes it: the
// gradients of all are summed, and the rule applies them, unless a loss or gradient of any rank is
// not finite. `passes` are this rank's, whose images and timesteps `report` lists; afterwards it
// lists those of all, in the order of ranks, with their losses and terms. The ranks also compare
// one trained tensor, a different one at each update: Error(internal) where their weights differ.
void finish_update(Communicator& ranks, UpdateRule& rule, const UpdateSize& size,
                   const std::vector<MicroLosses>& passes, UpdateReport& report);

// The samples of a pass, whose images `report` lists then; not before all ranks are there.
std::vector<StreamSample> samples_of_pass(Communicator& ranks, SampleStream& stream,
                                          const Dataset& data, const UpdateRange& pass,
                                          UpdateReport& report);

// Throws Error(internal) naming the key and the rank where the ranks do not have the same `facts`
// (an object).
void require_agreement(Communicator& ranks, const nlohmann::json& facts);

}  // namespace sarsweep::trainer
