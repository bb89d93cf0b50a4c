#include "trainer/core/metrics/mask.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace sarsweep::trainer {
namespace {

constexpr int kBlock = 16;                  // pixels a side
constexpr double kStepsADecade = 20.0 / 3;  // a decade of amplitude is 20 dB
constexpr double kVariationStep = 0.35;
constexpr double kDarkest = 1e-6;  // means below count as this

struct Sums {
  double n = 0, sum = 0, squares = 0;
  void add(const Sums& other) {
    n += other.n;
    sum += other.sum;
    squares += other.squares;
  }
};

// Mean and coefficient of variation of a block's surroundings, each in its steps.
struct Look {
  double mean = 0, variation = 0;
};

Look look_of(const Sums& sums) {
  const double mean = sums.sum / sums.n;
  if (mean < kDarkest) return {std::log10(kDarkest) * kStepsADecade, 0};
  const double variance = std::max(0.0, sums.squares / sums.n - mean * mean);
  return {std::log10(mean) * kStepsADecade, std::sqrt(variance) / mean / kVariationStep};
}

using Kind = std::pair<int, int>;

Kind kind_of(const Look& look, double mean_shift, double variation_shift) {
  return {static_cast<int>(std::floor(look.mean + mean_shift)),
          static_cast<int>(std::floor(look.variation + variation_shift))};
}

// The blocks of a picture, with what is known of each.
template <typename T>
struct Blocks {
  int rows = 0, cols = 0;
  std::vector<T> values;
  T& at(int row, int col) { return values[static_cast<std::size_t>(row) * cols + col]; }
  const T& at(int row, int col) const { return values[static_cast<std::size_t>(row) * cols + col]; }
  bool holds(int row, int col) const { return row >= 0 && col >= 0 && row < rows && col < cols; }
};

template <typename T>
Blocks<T> blocks_of(int rows, int cols, T value) {
  return {rows, cols, std::vector<T>(static_cast<std::size_t>(rows) * cols, value)};
}

Blocks<Sums> block_sums(const AmplitudeImage& image) {
  auto blocks =
      blocks_of((image.height + kBlock - 1) / kBlock, (image.width + kBlock - 1) / kBlock, Sums{});
  for (int row = 0; row < image.height; ++row) {
    for (int col = 0; col < image.width; ++col) {
      const double a = image.at(row, col);
      blocks.at(row / kBlock, col / kBlock).add({1, a, a * a});
    }
  }
  return blocks;
}

Blocks<Look> looks_of(const Blocks<Sums>& sums) {
  auto looks = blocks_of(sums.rows, sums.cols, Look{});
  for (int row = 0; row < sums.rows; ++row) {
    for (int col = 0; col < sums.cols; ++col) {
      Sums around;
      for (int r = row - 1; r <= row + 1; ++r) {
        for (int c = col - 1; c <= col + 1; ++c) {
          if (sums.holds(r, c)) around.add(sums.at(r, c));
        }
      }
      looks.at(row, col) = look_of(around);
    }
  }
  return looks;
}

using Place = std::pair<int, int>;  // row, column of a block

// The blocks connected with `start` by sides, of its kind; they are marked as seen.
std::vector<Place> component(const Blocks<Kind>& kinds, Place start, Blocks<char>& seen) {
  constexpr std::array<Place, 4> kSides = {Place{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
  std::vector<Place> places = {start};
  seen.at(start.first, start.second) = 1;
  for (std::size_t next = 0; next < places.size(); ++next) {
    const auto [row, col] = places[next];
    for (const auto& [down, right] : kSides) {
      const int r = row + down;
      const int c = col + right;
      if (!kinds.holds(r, c) || seen.at(r, c) != 0 || kinds.at(r, c) != kinds.at(row, col))
        continue;
      seen.at(r, c) = 1;
      places.emplace_back(r, c);
    }
  }
  return places;
}

// All of them, in raster order of their first block.
std::vector<std::vector<Place>> components(const Blocks<Kind>& kinds) {
  auto seen = blocks_of(kinds.rows, kinds.cols, char{0});
  std::vector<std::vector<Place>> found;
  for (int row = 0; row < kinds.rows; ++row) {
    for (int col = 0; col < kinds.cols; ++col) {
      if (seen.at(row, col) == 0) found.push_back(component(kinds, {row, col}, seen));
    }
  }
  return found;
}

std::int64_t pixels_of(const std::vector<Place>& blocks, int height, int width) {
  std::int64_t pixels = 0;
  for (const auto& [row, col] : blocks) {
    pixels += static_cast<std::int64_t>(std::min(kBlock, height - row * kBlock)) *
              std::min(kBlock, width - col * kBlock);
  }
  return pixels;
}

Mask mask_of(const std::vector<Place>& blocks, int height, int width) {
  Mask mask{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height) * width, 0)};
  for (const auto& [block_row, block_col] : blocks) {
    const int left = block_col * kBlock;
    const int right = std::min(left + kBlock, width);
    for (int row = block_row * kBlock; row < std::min((block_row + 1) * kBlock, height); ++row) {
      const auto begin = mask.inside.begin() + static_cast<std::ptrdiff_t>(row) * width;
      std::fill(begin + left, begin + right, std::uint8_t{1});
    }
  }
  return mask;
}

}  // namespace

std::uint64_t Mask::area() const {
  return static_cast<std::uint64_t>(
      std::count_if(inside.begin(), inside.end(), [](std::uint8_t pixel) { return pixel != 0; }));
}

Mask builtin_mask(const AmplitudeImage& stretched) {
  const Blocks<Look> looks = looks_of(block_sums(stretched));
  std::vector<Place> largest;
  std::int64_t most = 0;
  for (const auto& [mean_shift, variation_shift] :
       {std::pair(0.0, 0.0), {0.0, 0.5}, {0.5, 0.0}, {0.5, 0.5}}) {
    auto kinds = blocks_of(looks.rows, looks.cols, Kind{});
    std::transform(looks.values.begin(), looks.values.end(), kinds.values.begin(),
                   [&](const Look& look) { return kind_of(look, mean_shift, variation_shift); });
    for (std::vector<Place>& blocks : components(kinds)) {
      const std::int64_t pixels = pixels_of(blocks, stretched.height, stretched.width);
      if (pixels <= most) continue;
      most = pixels;
      largest = std::move(blocks);
    }
  }
  return mask_of(largest, stretched.height, stretched.width);
}

}  // namespace sarsweep::trainer
