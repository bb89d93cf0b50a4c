#include "trainer/core/metrics/spectrum.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include <unsupported/Eigen/FFT>

namespace sarsweep::trainer {
namespace {

using Complex = std::complex<double>;

// Rows 0 … width / 2 of the transform along rows, a row per frequency: the other half of a real
// picture's transform is the mirrored conjugate.
std::vector<Complex> transform_rows(const AmplitudeImage& image, double mean,
                                    Eigen::FFT<double>& fft) {
  const int half = image.width / 2 + 1;
  std::vector<Complex> transposed(static_cast<std::size_t>(half) * image.height);
  std::vector<double> row(image.width);
  std::vector<Complex> transformed(half);
  for (int r = 0; r < image.height; ++r) {
    for (int c = 0; c < image.width; ++c) row[c] = image.at(r, c) - mean;
    fft.fwd(transformed.data(), row.data(), image.width);
    for (int k = 0; k < half; ++k) {
      transposed[static_cast<std::size_t>(k) * image.height + r] = transformed[k];
    }
  }
  return transposed;
}

// Cycles per pixel of frequency `k` of `n`, without its sign.
double cycles(int k, int n) { return static_cast<double>(std::min(k, n - k)) / n; }

struct Rings {
  std::array<double, kSpectrumRings> power{}, weight{};

  void add(double fy, double fx, double value, double times) {
    const double radius = std::sqrt(fy * fy + fx * fx);
    const int ring = static_cast<int>(std::floor(radius * 2 * kSpectrumRings + 0.5));
    if (ring < 1 || ring > kSpectrumRings) return;
    power[ring - 1] += times * value;
    weight[ring - 1] += times;
  }
};

Rings ring_power(const AmplitudeImage& image, double mean) {
  Eigen::FFT<double> fft(Eigen::default_fft_impl<double>(), Eigen::FFT<double>::HalfSpectrum);
  const std::vector<Complex> rows = transform_rows(image, mean, fft);
  std::vector<Complex> column(image.height);
  Rings rings;
  for (int k = 0; k <= image.width / 2; ++k) {
    fft.fwd(column.data(), rows.data() + static_cast<std::ptrdiff_t>(k) * image.height,
            image.height);
    const bool alone = k == 0 || 2 * k == image.width;  // its own mirror image
    for (int r = 0; r < image.height; ++r) {
      rings.add(cycles(r, image.height), cycles(k, image.width), std::norm(column[r]),
                alone ? 1 : 2);
    }
  }
  return rings;
}

}  // namespace

std::array<std::optional<double>, kSpectrumRings> radial_spectrum(const AmplitudeImage& amplitude) {
  std::array<std::optional<double>, kSpectrumRings> spectrum;
  AmplitudeStatistics statistics;
  statistics.add(amplitude);
  if (!(statistics.sigma() > 0)) return spectrum;
  const Rings rings = ring_power(amplitude, statistics.mean());
  const double variance = statistics.sigma() * statistics.sigma();
  const double white = static_cast<double>(statistics.count()) * variance;
  for (int i = 0; i < kSpectrumRings; ++i) {
    if (rings.weight[i] > 0) spectrum[i] = rings.power[i] / rings.weight[i] / white;
  }
  return spectrum;
}

}  // namespace sarsweep::trainer
