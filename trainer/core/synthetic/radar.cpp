#include "trainer/core/synthetic/radar.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace sarsweep::trainer::synthetic {
namespace {

using Field = std::vector<double>;

constexpr std::array kBinomial = {1.0, 4.0, 6.0, 4.0, 1.0};
constexpr double kBinomialPower = 70.0;  // The sum of squares: white noise of power 1 keeps it.

// One circular pass along an axis of stride `step`; `other` is the stride of the lines.
Field smoothed(const Field& field, int size, int step, int other) {
  Field result(field.size());
  const double gain = 1 / std::sqrt(kBinomialPower);
  for (int line = 0; line < size; ++line) {
    for (int i = 0; i < size; ++i) {
      double sum = 0;
      for (int tap = 0; tap < 5; ++tap) {
        sum += kBinomial[tap] * field[line * other + ((i + tap - 2 + size) % size) * step];
      }
      result[line * other + i * step] = sum * gain;
    }
  }
  return result;
}

// Gamma of mean 1 and shape fields/2: the mean of `fields` squared normal fields.
Field gamma_texture(int size, int fields, const RandomStream& random) {
  const auto pixels = static_cast<std::size_t>(size) * size;
  Field texture(pixels, 0.0);
  for (int k = 0; k < fields; ++k) {
    Field normal(pixels);
    for (std::size_t i = 0; i < pixels; ++i) normal[i] = random.normal(k * pixels + i);
    normal = smoothed(smoothed(normal, size, 1, size), size, size, 1);
    for (std::size_t i = 0; i < pixels; ++i) texture[i] += normal[i] * normal[i] / fields;
  }
  return texture;
}

// The impulse response of the band limit on a circle of `size` pixels, scaled so that the sum of
// squares is 1.
Field impulse_response(int size, const RadarOptions& options) {
  Field response(size, 0.0);
  for (int k = -(size - 1) / 2; k <= size / 2; ++k) {
    const double frequency = static_cast<double>(k) / size;
    if (std::abs(frequency) > options.bandwidth / 2) continue;
    const double angle = 2 * std::numbers::pi * frequency;
    const double weight = options.hamming ? 0.54 + 0.46 * std::cos(angle / options.bandwidth) : 1.0;
    for (int n = 0; n < size; ++n) response[n] += weight * std::cos(angle * n);
  }
  double power = 0;
  for (const double tap : response) power += tap * tap;
  for (double& tap : response) tap /= std::sqrt(power);
  return response;
}

// Both axes; the inner loops add whole rows, so that the order of every sum is fixed.
Field band_limited(const Field& field, int size, const Field& response) {
  Field unrolled(2 * static_cast<std::size_t>(size));  // unrolled[size + d] = response[d mod size]
  for (int d = -size; d < size; ++d) unrolled[size + d] = response[(d + size) % size];
  Field across(field.size(), 0.0);
  Field both(field.size(), 0.0);
  for (int row = 0; row < size; ++row) {
    for (int from = 0; from < size; ++from) {
      const double value = field[row * size + from];
      const double* taps = unrolled.data() + size - from;
      double* out = across.data() + row * size;
      for (int to = 0; to < size; ++to) out[to] += value * taps[to];
    }
  }
  for (int to = 0; to < size; ++to) {
    for (int from = 0; from < size; ++from) {
      const double tap = unrolled[size + to - from];
      const double* in = across.data() + from * size;
      double* out = both.data() + to * size;
      for (int col = 0; col < size; ++col) out[col] += tap * in[col];
    }
  }
  return both;
}

void add_points(const Reflectivity& scene, Field& real, Field& imaginary) {
  for (const PointScatterer& point : scene.points) {
    const int at = point.row * scene.size + point.col;
    real[at] += std::sqrt(point.power) * std::cos(point.phase);
    imaginary[at] += std::sqrt(point.power) * std::sin(point.phase);
  }
}

}  // namespace

ComplexImage observe(const Reflectivity& scene, const RadarOptions& options,
                     const RandomStream& speckle, const RandomStream& texture) {
  const std::size_t pixels = scene.sigma.size();
  const bool rough = std::find(scene.rough.begin(), scene.rough.end(), 1) != scene.rough.end();
  const Field gamma =
      rough ? gamma_texture(scene.size, options.texture_shape_doubled, texture) : Field();
  const double noise = std::pow(10.0, options.noise_floor_db / 10);
  Field real(pixels);
  Field imaginary(pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    const double texture_here = scene.rough[i] != 0 ? gamma[i] : 1.0;
    const double deviation = std::sqrt((scene.sigma[i] * texture_here + noise) / 2);
    real[i] = deviation * speckle.normal(2 * i);
    imaginary[i] = deviation * speckle.normal(2 * i + 1);
  }
  add_points(scene, real, imaginary);
  const Field response = impulse_response(scene.size, options);
  real = band_limited(real, scene.size, response);
  imaginary = band_limited(imaginary, scene.size, response);
  ComplexImage image(pixels);
  for (std::size_t i = 0; i < pixels; ++i) image[i] = {real[i], imaginary[i]};
  return image;
}

AmplitudeImage detected(const ComplexImage& image, int size) {
  AmplitudeImage amplitude{size, size, {}};
  amplitude.pixels.reserve(image.size());
  for (const std::complex<double>& z : image) {
    amplitude.pixels.push_back(
        static_cast<float>(std::sqrt(z.real() * z.real() + z.imag() * z.imag())));
  }
  return amplitude;
}

}  // namespace sarsweep::trainer::synthetic
