#pragma once

#include <complex>
#include <cstdint>
#include <vector>

#include "schema/base/philox.h"
#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer::synthetic {

// A dominant reflector in one pixel: power relative to a distributed target of 0 dB.
struct PointScatterer {
  int row = 0, col = 0;
  double power = 1;  // linear
  double phase = 0;  // radians
};

// What the radar looks at; range runs along columns, the sensor is on the left.
struct Reflectivity {
  int size = 0;                     // pixels a side
  std::vector<double> sigma;        // backscatter, linear, row-major
  std::vector<std::uint8_t> rough;  // 1 where the texture acts
  std::vector<PointScatterer> points;
};

struct RadarOptions {
  double bandwidth = 0.85;  // of the sampling rate, both axes; 1: neighbours are independent
  bool hamming = true;      // weighting of the band: sidelobes under -40 dB
  double noise_floor_db = -25;
  int texture_shape_doubled = 8;  // 2 nu of the gamma texture, nu = 4
};

using ComplexImage = std::vector<std::complex<double>>;  // row-major, size * size

// z = sqrt(sigma T + N0) g + points, band-limited in both axes, white noise keeping its power.
//   g  circular complex Gaussian of unit power: |z| over a flat patch is Rayleigh
//   T  gamma of mean 1 and shape nu, correlated over a few pixels: mean of 2 nu squared smooth
//   fields
// The band limit is exact: a circular convolution with the inverse DFT of the weighted band,
// O(size³).
ComplexImage observe(const Reflectivity& scene, const RadarOptions& options,
                     const RandomStream& speckle, const RandomStream& texture);

// |z|
AmplitudeImage detected(const ComplexImage& image, int size);

}  // namespace sarsweep::trainer::synthetic
