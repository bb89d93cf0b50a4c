#include "trainer/core/metrics/histogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "schema/base/error.h"

namespace sarsweep::trainer {

AmplitudeHistogram::AmplitudeHistogram(int bins, double saturation_threshold)
    : threshold_(saturation_threshold), counts_(static_cast<std::size_t>(bins), 0) {
  assert(bins > 0);
}

void AmplitudeHistogram::add(const AmplitudeImage& stretched) {
  for (const float pixel : stretched.pixels) add(static_cast<double>(pixel));
}

void AmplitudeHistogram::add(double value) {
  if (!(value >= 0 && value <= 1)) {
    throw Error(ErrorCode::invalid, fmt::format("amplitude {} is outside [0, 1]", value));
  }
  if (value > threshold_) {
    ++saturated_;
    return;
  }
  const auto bin = static_cast<std::size_t>(value * static_cast<double>(counts_.size()));
  ++counts_[std::min(bin, counts_.size() - 1)];
  ++kept_;
}

void AmplitudeHistogram::add(const AmplitudeHistogram& other) {
  assert(counts_.size() == other.counts_.size());
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  kept_ += other.kept_;
  saturated_ += other.saturated_;
}

double AmplitudeHistogram::saturation() const {
  const auto all = static_cast<double>(kept_ + saturated_);
  return all == 0 ? 0.0 : static_cast<double>(saturated_) / all;
}

}  // namespace sarsweep::trainer
