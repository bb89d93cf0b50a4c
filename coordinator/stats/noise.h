#pragma once

#include <cstddef>
#include <limits>
#include <vector>

namespace sarsweep::stats {

// Values of one kind, a seed each: a cell's, or the paired differences of two cells.
struct Seeds {
  std::vector<double> values;
  // Of each seed, the noise vector of its images (interval.h); empty: images are not known.
  std::vector<std::vector<float>> noise;
};

// What the mean of a group of seeds, or the difference of two such means, leaves open.
//
// Seeds scatter by s², which holds what training does and the share of the images' noise that is
// each seed's own. The other share, of the pictures' captions and real images, all seeds have in
// common: it does not shrink with their number S. So the variance of the mean is
//   shared + s² / S, where the images' noise of the mean is images = shared + own / S,
// and only s² is known by few degrees of freedom: those of the sum are Satterthwaite's (1946). A
// group of one seed has no s²; its images' noise counts whole and training not at all.
struct Noise {
  double variance = 0;
  double degrees = std::numeric_limits<double>::infinity();
  double images = 0;
  double shared = 0;
  double scatter = 0;  // the sum of s² / S
};

// False where it is not known: a group of one seed without images.
bool known(const Seeds& group);

// Of the group's mean. The group must be known.
Noise noise_of(const Seeds& group);
// Of the difference of two groups' means, whose seeds are not paired.
Noise noise_between(const Seeds& a, const Seeds& b);

}  // namespace sarsweep::stats
