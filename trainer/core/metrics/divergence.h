#pragma once

#include <optional>
#include <string>

#include "trainer/core/metrics/histogram.h"

namespace sarsweep::trainer {

// How empty bins are filled before two histograms are compared. With n bins and counts c:
//   eps   p = c / sum(c), then p + 1e-10, renormalised: for pooled counts of 10^7 pixels and more
//   half  p = (c + 1/2) / (sum(c) + n/2), Jeffreys' prior: for single images and small sets
enum class Smoothing { eps, half };
Smoothing parse_smoothing(const std::string& text);  // Throws Error(invalid, eval.smoothing).

// Kullback-Leibler divergence sum p ln(p / q), in nats; `p` is the real side. nullopt where a side
// holds no unsaturated pixel.
std::optional<double> kl_divergence(const AmplitudeHistogram& p, const AmplitudeHistogram& q,
                                    Smoothing smoothing);

// Jensen-Shannon divergence (KL(p|m) + KL(q|m)) / 2 with m = (p + q) / 2, in nats: at most ln 2. It
// is finite as it stands: nothing is smoothed.
std::optional<double> js_divergence(const AmplitudeHistogram& p, const AmplitudeHistogram& q);

// Wasserstein-1 distance of the two unsmoothed histograms with their mass at the bin centres: the
// area between the cumulated shares, in units of stretched amplitude.
std::optional<double> wasserstein1(const AmplitudeHistogram& p, const AmplitudeHistogram& q);

}  // namespace sarsweep::trainer
