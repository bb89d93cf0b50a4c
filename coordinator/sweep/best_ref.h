#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace sarsweep::sweep {

// `parent: {best: STUDY}`: a parent that is chosen when every run of a study has ended. The cells
// of the study are ranked by the mean of `by` over their finished seeds, lowest first.
struct BestRef {
  std::string study;
  std::string by;          // a metric of the validation split
  std::int64_t index = 0;  // which cell of the ranking; 0 is the best
  bool per_seed = true;    // equal seeds pair; else the cell's best run serves every seed
  bool operator==(const BestRef&) const = default;
};

// "te_rank#2": the second of the ranking, as plans and labels show it.
inline std::string rank_name(const std::string& study, std::int64_t index) {
  return study + "#" + std::to_string(index + 1);
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BestRef, study, by, index, per_seed)

}  // namespace sarsweep::sweep
