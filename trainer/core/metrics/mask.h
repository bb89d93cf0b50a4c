#pragma once

#include <cstdint>
#include <vector>

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// A region of a picture, row-major; not 0: inside.
struct Mask {
  int height = 0, width = 0;
  std::vector<std::uint8_t> inside;

  std::uint64_t area() const;  // in pixels
};

// The largest region of one kind in a picture stretched to [0,1], found without a model: blocks of
// 16 x 16 pixels (smaller at the lower and right edge) get the mean and the coefficient of
// variation of the 3 x 3 blocks around them; the mean in steps of 3 dB and the coefficient in steps
// of 0.35 make classes (ideal one-look speckle, at 0.52, lies amid one); the largest connected set
// of blocks of one class is the mask. Either scale is also tried shifted by half a step, so that no
// region breaks up because it lies between two classes; the first of equal ones is taken.
Mask builtin_mask(const AmplitudeImage& stretched);

}  // namespace sarsweep::trainer
