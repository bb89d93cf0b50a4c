#pragma once

#include <cstdint>
#include <optional>

#include <nlohmann/json.hpp>

#include "coordinator/sweep/best_ref.h"
#include "coordinator/sweep/diagnostics.h"
#include "coordinator/sweep/setting.h"
#include "coordinator/sweep/yaml_node.h"

// `parent: {best: STUDY, k, by, checkpoint, per_seed}` on its way from the file to a cell. In
// between it is the value of model.path: {best, k, by, checkpoint, per_seed, index}.
namespace sarsweep::sweep {

inline constexpr std::int64_t kMostBest = 100;

// The value of model.path for the map behind `parent:`; nullopt after an error. `by` is null where
// the file leaves it out.
std::optional<nlohmann::json> read_best(const YamlNode& map, Diagnostics& diagnostics);

// How many parents `row` starts from: k of its best parent; 1 for every other row.
std::int64_t parents_of(const Row& row);

// The setting with the parent of rank `index` in it.
SharedSetting with_rank(const Setting& setting, std::int64_t index);

// True if a value of model.path stands for a parent that is yet to be chosen.
bool is_best(const nlohmann::json& model);

// The reference in a value of model.path. `best_by` stands in for a `by` that was left out.
BestRef best_ref(const nlohmann::json& model, const nlohmann::json& best_by);

}  // namespace sarsweep::sweep
