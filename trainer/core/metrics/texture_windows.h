#pragma once

#include <vector>

#include "trainer/core/metrics/glcm.h"
#include "trainer/core/metrics/mask.h"

namespace sarsweep::trainer {

inline constexpr int kWindowSide = 64;    // pixels
inline constexpr int kWindowStride = 32;  // pixels
inline constexpr int kMostWindows = 16;   // of a picture

// Where the texture of a picture is measured: windows of 64 x 64 pixels on a grid of 32, of an axis
// that is shorter the whole of it, that lie inside the mask entirely (nullptr: anywhere). Of m > 16
// in raster order those at floor((2 i + 1) m / 32), i = 0 … 15. Empty where none fits.
std::vector<Window> texture_windows(int height, int width, const Mask* mask);

}  // namespace sarsweep::trainer
