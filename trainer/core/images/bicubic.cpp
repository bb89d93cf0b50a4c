#include "trainer/core/images/bicubic.h"

#include <algorithm>
#include <cmath>

#include "trainer/core/images/filter_taps.h"

namespace sarsweep::trainer {
namespace {

constexpr double kFullScale = 255;
constexpr int kFraction = 22;  // bits behind the point: 8 of the code and 2 of overshoot fill 32

// Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -1/2.
double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0;
}

struct FixedTaps {
  int first = 0;
  std::vector<std::int32_t> weights;
};

std::vector<FixedTaps> fixed_taps(int from, int to) {
  std::vector<FixedTaps> all;
  all.reserve(static_cast<std::size_t>(to));
  for (const Taps& taps : filter_taps({cubic, 2}, from, to)) {
    FixedTaps fixed{taps.first, {}};
    for (const double weight : taps.weights) {
      fixed.weights.push_back(static_cast<std::int32_t>(std::round(std::ldexp(weight, kFraction))));
    }
    all.push_back(std::move(fixed));
  }
  return all;
}

// The sum of weight times code over every `step`-th code.
std::uint8_t filtered(const FixedTaps& taps, const std::uint8_t* first, std::size_t step) {
  std::int32_t sum = 1 << (kFraction - 1);
  for (const std::int32_t weight : taps.weights) {
    sum += weight * *first;
    first += step;
  }
  return static_cast<std::uint8_t>(std::clamp(sum >> kFraction, 0, 255));
}

EightBitImage to_width(const EightBitImage& image, int width) {
  if (image.width == width) return image;
  const std::vector<FixedTaps> taps = fixed_taps(image.width, width);
  EightBitImage result{image.height, width, {}};
  result.codes.reserve(static_cast<std::size_t>(image.height) * width);
  for (int row = 0; row < image.height; ++row) {
    const std::uint8_t* line = image.codes.data() + static_cast<std::size_t>(row) * image.width;
    for (const FixedTaps& tap : taps) result.codes.push_back(filtered(tap, line + tap.first, 1));
  }
  return result;
}

EightBitImage to_height(const EightBitImage& image, int height) {
  if (image.height == height) return image;
  const auto stride = static_cast<std::size_t>(image.width);
  EightBitImage result{height, image.width, {}};
  result.codes.reserve(static_cast<std::size_t>(height) * stride);
  for (const FixedTaps& tap : fixed_taps(image.height, height)) {
    const std::uint8_t* first = image.codes.data() + static_cast<std::size_t>(tap.first) * stride;
    for (std::size_t col = 0; col < stride; ++col) {
      result.codes.push_back(filtered(tap, first + col, stride));
    }
  }
  return result;
}

EightBitImage middle(const EightBitImage& image, int side) {
  const int top = (image.height - side) / 2, left = (image.width - side) / 2;
  EightBitImage result{side, side, {}};
  for (int row = 0; row < side; ++row) {
    const auto begin =
        image.codes.begin() + static_cast<std::ptrdiff_t>(top + row) * image.width + left;
    result.codes.insert(result.codes.end(), begin, begin + side);
  }
  return result;
}

}  // namespace

EightBitImage eight_bit(const AmplitudeImage& stretched) {
  EightBitImage image{stretched.height, stretched.width, {}};
  image.codes.reserve(stretched.pixels.size());
  for (const float pixel : stretched.pixels) {
    const double code = std::floor(std::clamp<double>(pixel, 0, 1) * kFullScale + 0.5);
    image.codes.push_back(static_cast<std::uint8_t>(code));
  }
  return image;
}

EightBitImage bicubic(const EightBitImage& image, int height, int width) {
  const bool rows_first =
      height < image.height && image.height - height > 2 * (image.width - width);
  return rows_first ? to_width(to_height(image, height), width)
                    : to_height(to_width(image, width), height);
}

EightBitImage clip_square(const EightBitImage& image, int side) {
  const auto following = [&](int length, int shortest) {
    return static_cast<int>(std::int64_t{side} * length / shortest);
  };
  const bool upright = image.width <= image.height;
  const int height = upright ? following(image.height, image.width) : side;
  const int width = upright ? side : following(image.width, image.height);
  return middle(bicubic(image, height, width), side);
}

}  // namespace sarsweep::trainer
