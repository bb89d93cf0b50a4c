#pragma once

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// How alike pixels `lag` apart are in linear amplitude: with d = a - mean of the image,
//   r = (mean over pairs along rows + mean over pairs along columns of d d') / (2 * mean of d²).
// 1 at lag 0, near 0 for white noise, 0 by definition for a constant image and for an axis shorter
// than lag + 1.
double autocorrelation(const AmplitudeImage& amplitude, int lag);

}  // namespace sarsweep::trainer
