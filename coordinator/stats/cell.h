#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "coordinator/stats/bootstrap.h"
#include "coordinator/stats/interval.h"

namespace sarsweep::stats {

// A finished run of a cell, by one metric.
struct SeedRun {
  std::int64_t seed = 0;
  double value = 0;
  const Resampled* images = nullptr;  // nullptr: no images, or they are not known
};

// A row of the leaderboard by one metric: a configuration, trained with one or several seeds.
using Cell = std::vector<SeedRun>;

struct Estimate {
  double mean = 0;                   // over the seeds
  std::optional<Interval> interval;  // nullopt: one seed and no images
};

// Of a cell and the one it is compared with, over the seeds that both have finished.
struct Comparison {
  double delta = 0;  // mean(cell - baseline)
  std::size_t seeds = 0;
  std::optional<Interval> interval;  // nullopt: one seed and no images
  std::optional<double> p;           // two-sided; likewise
  // What would find this very difference at 5 % in four of five studies: images, with the seeds
  // there are; and seeds, with the images there are. nullopt: no number would, or it is not known.
  std::optional<double> images_for_power, seeds_for_power;
};

// The interval of 95 % for what the mean would be over all images of the kind and all seeds; with
// one seed for that seed. `resampling`: nullptr where no run's images are known.
Estimate estimate(const Cell& cell, const Resampling* resampling);

// nullopt where no seed is common. The p of one seed flips the sign of each image's difference: if
// the two runs do not differ, which of them made which picture of a pair is chance. Of several
// seeds the unit that could be exchanged is the training run; but S of them have 2^S patterns of
// signs, whose least p is 2^(1-S). So images are flipped, and what training adds is taken for
// normal with a variance that S - 1 degrees of freedom know: the sums under flipped signs are
// widened to the variance of the mean and divided by √(χ²_ν / ν), ν as in Noise. Without images
// that is Student's t of the paired differences.
std::optional<Comparison> compare(const Cell& cell, const Cell& baseline,
                                  const Resampling* resampling);

}  // namespace sarsweep::stats
