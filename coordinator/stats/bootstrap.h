#pragma once

#include <optional>
#include <vector>

#include "coordinator/stats/divergence.h"
#include "coordinator/stats/judged_run.h"
#include "coordinator/stats/resampling.h"
#include "coordinator/stats/statistic.h"

namespace sarsweep::stats {

// One statistic of one run, and how it depends on the images.
struct Resampled {
  double estimate = 0;            // of all images, each once
  std::vector<float> replicates;  // the value of each replicate, less `estimate`
  // Of each image, by the jackknife: with weights w in place of 1 the value is, to first order,
  // estimate + Σ (w_i - 1) influence_i. Sums to 0.
  std::vector<float> influence;
};

// A run's statistics over the replicates of `resampling`, which must be of the run's own images.
// nullopt for a statistic that the document does not hold, or that some replicate leaves undefined.
std::vector<std::optional<Resampled>> resample(const JudgedRun& run, const Resampling& resampling,
                                               const std::vector<Statistic>& statistics);

// The smoothing with which the document's own kl_pooled comes out; nullopt if neither does.
std::optional<Smoothing> smoothing_of(const JudgedRun& run);

}  // namespace sarsweep::stats
