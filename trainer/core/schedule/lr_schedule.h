#pragma once

#include <cstdint>

namespace sarsweep::trainer {

enum class LrShape { constant, linear, cosine };

// What the learning rates are multiplied by: a pure function of the update's index, hence nothing
// to save. The convention is diffusers' get_scheduler: in the warm-up index/warmup, so that update
// 0 of a run with a warm-up changes nothing; then 1, or falling to 0 at `total` (linear; cosine
// half period).
struct LrSchedule {
  LrShape shape = LrShape::constant;
  std::int64_t warmup = 0;  // updates
  std::int64_t total = 0;   // updates of the run, warm-up included; constant does not read it

  double multiplier(std::int64_t update) const;
};

}  // namespace sarsweep::trainer
