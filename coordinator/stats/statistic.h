#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/stats/judged_run.h"

namespace sarsweep::stats {

// What of the images a metric is made of.
enum class Measure {
  kl,
  jsd,
  wasserstein1,
  saturation_real,
  saturation_generated,
  texture_distance,
  mean
};
// Over which of them: all pixels in one histogram, the mean over the labels of 10 pictures and more
// of each label's own value, or one label.
enum class Scope { pooled, label_mean, label };

struct Statistic {
  Measure measure = Measure::mean;
  Scope scope = Scope::pooled;
  std::string label = {};   // of Scope::label
  std::string number = {};  // of Measure::mean: the member of JudgedRun::numbers
};

// The statistic behind a metric, by its name in the result document ("kl_pooled",
// "kl_per_label/port", "clip_rank"); nullopt for those that images do not add up to.
std::optional<Statistic> statistic_of(const std::string& metric);

}  // namespace sarsweep::stats
