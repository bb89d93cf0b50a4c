#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/divergence.h"

namespace sarsweep::trainer {

// One image's label and histogram.
struct LabelledHistogram {
  std::string label;
  AmplitudeHistogram histogram;
};

// What a metric says about real against real: the set is split into two halves, label by label, and
// compared; the mean over 16 splits drawn from Philox with a fixed key. {kl_pooled, jsd_pooled,
// wasserstein1_pooled, splits}, values null where no label has two images. Halves are half as large
// as the set, so the floor lies a little above that of the whole set.
nlohmann::json real_floor(const std::vector<LabelledHistogram>& images, Smoothing smoothing);

}  // namespace sarsweep::trainer
