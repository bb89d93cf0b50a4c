#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

#include "trainer/core/schedule/training_window.h"
#include "trainer/dist/communicator.h"
#include "trainer/torch/training/update_rule.h"

namespace sarsweep::trainer {

// Makes of every rank's share of update `index` the whole update, on all ranks: `report` lists the
// images of all and their terms, in the order of ranks; its loss is their sum over `images`, the
// update's number of images; the gradients are summed, unless the loss is not finite. Each time the
// ranks also compare one trained tensor, a different one at each update: Error(internal) where
// their weights differ.
void pool_update(Communicator& ranks, UpdateRule& rule, long index, std::int64_t images,
                 UpdateReport& report);

// Throws Error(internal) naming the key and the rank where the ranks do not have the same `facts`
// (an object).
void require_agreement(Communicator& ranks, const nlohmann::json& facts);

}  // namespace sarsweep::trainer
