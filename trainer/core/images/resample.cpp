#include "trainer/core/images/resample.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

#include "trainer/core/images/filter_taps.h"

namespace sarsweep::trainer {
namespace {

constexpr double kLobes = 3;

double sinc(double x) {
  return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x);
}
double windowed_sinc(double x) { return std::abs(x) < kLobes ? sinc(x) * sinc(x / kLobes) : 0; }

std::vector<Taps> taps_of(int from, int to) {
  return filter_taps({windowed_sinc, kLobes}, from, to);
}

AmplitudeImage along_columns(const AmplitudeImage& image, int width) {
  AmplitudeImage result{image.height, width, {}};
  result.pixels.resize(static_cast<std::size_t>(image.height) * width);
  const std::vector<Taps> taps = taps_of(image.width, width);
  for (int row = 0; row < image.height; ++row) {
    for (int col = 0; col < width; ++col) {
      const Taps& tap = taps[static_cast<std::size_t>(col)];
      double sum = 0;
      for (std::size_t k = 0; k < tap.weights.size(); ++k) {
        sum += tap.weights[k] * image.at(row, tap.first + static_cast<int>(k));
      }
      result.at(row, col) = static_cast<float>(sum);
    }
  }
  return result;
}

AmplitudeImage along_rows(const AmplitudeImage& image, int height) {
  AmplitudeImage result{height, image.width, {}};
  result.pixels.resize(static_cast<std::size_t>(height) * image.width);
  const std::vector<Taps> taps = taps_of(image.height, height);
  std::vector<double> sums(static_cast<std::size_t>(image.width));
  for (int row = 0; row < height; ++row) {
    const Taps& tap = taps[static_cast<std::size_t>(row)];
    std::fill(sums.begin(), sums.end(), 0.0);
    for (std::size_t k = 0; k < tap.weights.size(); ++k) {
      const int from = tap.first + static_cast<int>(k);
      for (int col = 0; col < image.width; ++col) {
        sums[static_cast<std::size_t>(col)] += tap.weights[k] * image.at(from, col);
      }
    }
    for (int col = 0; col < image.width; ++col) {
      result.at(row, col) = static_cast<float>(sums[static_cast<std::size_t>(col)]);
    }
  }
  return result;
}

}  // namespace

AmplitudeImage lanczos(const AmplitudeImage& image, int height, int width) {
  AmplitudeImage result = image.width == width ? image : along_columns(image, width);
  if (image.height != height) result = along_rows(result, height);
  for (float& pixel : result.pixels) pixel = std::max(pixel, 0.0F);
  return result;
}

AmplitudeImage block_mean(const AmplitudeImage& image, int factor) {
  assert(factor >= 1);
  AmplitudeImage result{image.height / factor, image.width / factor, {}};
  result.pixels.reserve(static_cast<std::size_t>(result.height) * result.width);
  for (int row = 0; row < result.height; ++row) {
    for (int col = 0; col < result.width; ++col) {
      double power = 0;
      for (int i = 0; i < factor * factor; ++i) {
        const double a = image.at(row * factor + i / factor, col * factor + i % factor);
        power += a * a;
      }
      result.pixels.push_back(static_cast<float>(std::sqrt(power / (factor * factor))));
    }
  }
  return result;
}

AmplitudeImage mirrored(AmplitudeImage image, bool rows, bool columns) {
  const auto line = [&](int row) {
    return image.pixels.begin() + static_cast<std::ptrdiff_t>(row) * image.width;
  };
  for (int row = 0; rows && row < image.height / 2; ++row) {
    std::swap_ranges(line(row), line(row) + image.width, line(image.height - 1 - row));
  }
  for (int row = 0; columns && row < image.height; ++row) {
    std::reverse(line(row), line(row) + image.width);
  }
  return image;
}

}  // namespace sarsweep::trainer
