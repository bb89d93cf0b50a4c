#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "schema/base/philox.h"
#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// Independent Rayleigh amplitudes: the length of two normals of deviation `sigma`.
inline AmplitudeImage rayleigh_image(int height, int width, std::uint64_t index, double sigma = 1) {
  const RandomStream random(7, "test", index);
  AmplitudeImage image{height, width, {}};
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(height) * width; ++i) {
    image.pixels.push_back(
        static_cast<float>(sigma * std::hypot(random.normal(2 * i), random.normal(2 * i + 1))));
  }
  return image;
}

// A quarter turn: rows become columns.
inline AmplitudeImage turned(const AmplitudeImage& image) {
  AmplitudeImage result{image.width, image.height, std::vector<float>(image.pixels.size())};
  for (int row = 0; row < image.height; ++row) {
    for (int col = 0; col < image.width; ++col) {
      result.at(image.width - 1 - col, row) = image.at(row, col);
    }
  }
  return result;
}

// The mean of a pixel and its neighbours up to `rows` and `cols` away, inside the picture.
inline AmplitudeImage box_mean(const AmplitudeImage& image, int rows, int cols) {
  AmplitudeImage result = image;
  for (int row = 0; row < image.height; ++row) {
    for (int col = 0; col < image.width; ++col) {
      double sum = 0;
      int n = 0;
      for (int r = std::max(0, row - rows); r <= std::min(image.height - 1, row + rows); ++r) {
        for (int c = std::max(0, col - cols); c <= std::min(image.width - 1, col + cols); ++c) {
          sum += image.at(r, c);
          ++n;
        }
      }
      result.at(row, col) = static_cast<float>(sum / n);
    }
  }
  return result;
}

inline AmplitudeImage smoothed_along_rows(const AmplitudeImage& image) {
  return box_mean(image, 0, 1);
}

// Every pixel somewhere else, drawn from `index`.
inline AmplitudeImage shuffled(AmplitudeImage image, std::uint64_t index) {
  const RandomStream random(8, "test", index);
  for (std::size_t i = image.pixels.size(); i > 1; --i) {
    std::swap(image.pixels[i - 1], image.pixels[random.below(i, image.pixels.size() - i)]);
  }
  return image;
}

}  // namespace sarsweep::trainer
