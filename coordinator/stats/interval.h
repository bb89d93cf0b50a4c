#pragma once

#include <vector>

#include "coordinator/stats/resampling.h"

namespace sarsweep::stats {

inline constexpr double kConfidence = 0.95;

struct Interval {
  double low = 0, high = 0;
  bool operator==(const Interval&) const = default;
};

// What the choice of images leaves open about a value.
struct ImageNoise {
  double variance = 0;  // by the jackknife
  double centre = 0;    // the value less its bias: what it would be of infinitely many images
  Interval interval;    // of 95 %
};

// The influence of each image less its stratum's mean, times √(n / (n - 1)) of the stratum: the
// squared length is the variance of the value, the squared distance of two that of their
// difference.
std::vector<double> noise_vector(const std::vector<double>& influence, const ImageSet& images);

// By the studentised bootstrap (Efron and Tibshirani, 1993, 12.5): the quantiles of
//   t* = (value* - value) / se*
// over the replicates take the place of Student's. It follows bias and skewness, which a divergence
// of histograms (biased upwards by the choice of images) and a share of bright pixels have in
// plenty; docs/leaderboard.md shows what covers and what does not. se* is the standard error of the
// replicate by the influence of the images in it. Where strata of under 5 images, too few to tell a
// replicate's own scatter, carry more than a fifth of the variance: value - bias ± t se with
// Student's t of Satterthwaite's degrees of freedom. `replicates` are differences to `value`.
ImageNoise image_noise(double value, const std::vector<double>& replicates,
                       const std::vector<double>& influence, const Resampling& resampling);

}  // namespace sarsweep::stats
