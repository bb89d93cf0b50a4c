#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/divergence.h"
#include "trainer/core/metrics/texture_metrics.h"

namespace sarsweep::trainer {

// What the floor needs of a real picture.
struct RealPicture {
  std::string label;
  AmplitudeHistogram histogram;
  std::optional<Texture> texture = {};
};

// What a metric says about real against real: the set is split into two halves, label by label, and
// compared; the mean over 16 splits drawn from Philox with a fixed key. {kl_pooled, jsd_pooled,
// wasserstein1_pooled, glcm_distance, splits}, values null where no label has two images. Halves
// are half as large as the set, so the floor lies a little above that of the whole set. The texture
// of labels of fewer than `small_label` images does not count, as in an evaluation.
nlohmann::json real_floor(const std::vector<RealPicture>& images, Smoothing smoothing,
                          std::size_t small_label);

}  // namespace sarsweep::trainer
