#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/data/dataset.h"

// What every evaluation by a protocol's block begins with, whatever is judged.
namespace sarsweep::trainer {

struct ProtocolItems {
  std::string split;
  Dataset data;                    // of that split, by the run's own options
  std::vector<std::size_t> items;  // of data, as evaluation_items; not empty
};

// `split`: in place of the protocol's, unless empty. `measured`: as Dataset takes it. Throws
// Error(invalid) for a split without pictures, or a key of the block that has the wrong type.
ProtocolItems protocol_items(const nlohmann::json& block, const DataOptions& options,
                             const std::string& split,
                             const std::optional<Stretch>& measured = std::nullopt);

// The amplitude domain in which pictures are judged: the protocol's, measured on the training
// split, or `of_the_run` where the protocol has none.
Stretch judged_stretch(const nlohmann::json& block, const DataOptions& options,
                       const Stretch& of_the_run);

}  // namespace sarsweep::trainer
