#include "trainer/core/metrics/looks.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sarsweep::trainer {
namespace {

constexpr int kBlock = 8;                // pixels a side
constexpr std::size_t kChosenShare = 8;  // one in so many
constexpr std::size_t kMostPatches = 16;

// Mean and population variance of numbers, in two passes.
struct Spread {
  double mean = 0, variance = 0;
  double ratio() const { return mean * mean / variance; }
};

Spread spread_of(const std::vector<double>& values) {
  Spread spread;
  const auto n = static_cast<double>(values.size());
  for (const double value : values) spread.mean += value / n;
  for (const double value : values) {
    spread.variance += (value - spread.mean) * (value - spread.mean) / n;
  }
  return spread;
}

std::vector<double> block_means(const AmplitudeImage& patch) {
  std::vector<double> means;
  const int height = std::min(kBlock, patch.height);
  const int width = std::min(kBlock, patch.width);
  for (int row = 0; row + height <= patch.height; row += height) {
    for (int col = 0; col + width <= patch.width; col += width) {
      double sum = 0;
      for (int r = row; r < row + height; ++r) {
        for (int c = col; c < col + width; ++c) sum += patch.at(r, c);
      }
      means.push_back(sum / (height * width));
    }
  }
  return means;
}

struct Patch {
  double unevenness = 0;  // variation of the block means
  Looks looks;
};

std::optional<Patch> measure(const AmplitudeImage& patch) {
  const std::vector<double> amplitude(patch.pixels.begin(), patch.pixels.end());
  std::vector<double> intensity = amplitude;
  for (double& value : intensity) value *= value;
  const Spread a = spread_of(amplitude);
  const Spread i = spread_of(intensity);
  if (!(a.variance > 0) || !(i.variance > 0)) return std::nullopt;
  const Spread blocks = spread_of(block_means(patch));
  return Patch{std::sqrt(blocks.variance) / blocks.mean, {a.ratio(), i.ratio()}};
}

}  // namespace

std::optional<Looks> equivalent_looks(const AmplitudeImage& amplitude) {
  const int height = std::min(kLooksPatch, amplitude.height);
  const int width = std::min(kLooksPatch, amplitude.width);
  std::vector<Patch> patches;
  for (int row = 0; row + height <= amplitude.height; row += height) {
    for (int col = 0; col + width <= amplitude.width; col += width) {
      if (auto patch = measure(crop(amplitude, row, col, height, width))) patches.push_back(*patch);
    }
  }
  if (patches.empty()) return std::nullopt;
  std::stable_sort(patches.begin(), patches.end(),
                   [](const Patch& a, const Patch& b) { return a.unevenness < b.unevenness; });
  patches.resize(std::clamp<std::size_t>(patches.size() / kChosenShare, 1, kMostPatches));
  Looks mean;
  for (const Patch& patch : patches) {
    mean.amplitude += patch.looks.amplitude / static_cast<double>(patches.size());
    mean.intensity += patch.looks.intensity / static_cast<double>(patches.size());
  }
  return mean;
}

}  // namespace sarsweep::trainer
