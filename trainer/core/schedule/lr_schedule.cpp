#include "trainer/core/schedule/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sarsweep::trainer {

double LrSchedule::multiplier(std::int64_t update) const {
  if (update < warmup) return static_cast<double>(update) / static_cast<double>(warmup);
  if (shape == LrShape::constant) return 1.0;
  const auto span = static_cast<double>(std::max<std::int64_t>(1, total - warmup));
  const double progress = static_cast<double>(update - warmup) / span;
  if (shape == LrShape::linear) return std::max(0.0, 1.0 - progress);
  return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
}

}  // namespace sarsweep::trainer
