#include "trainer/core/metrics/glcm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>
#include <utility>

namespace sarsweep::trainer {
namespace {

constexpr double kEpsilon = 1e-12;

// Whole-number moments of the pairs (i, j) of a matrix.
struct Moments {
  std::int64_t n = 0, i = 0, j = 0, ii = 0, jj = 0, ij = 0;

  void add(std::int64_t a, std::int64_t b, std::int64_t count) {
    n += count;
    i += a * count;
    j += b * count;
    ii += a * a * count;
    jj += b * b * count;
    ij += a * b * count;
  }
  double correlation() const {
    const std::int64_t variance_i = n * ii - i * i;
    const std::int64_t variance_j = n * jj - j * j;
    if (variance_i == 0 || variance_j == 0) return 1;
    return static_cast<double>(n * ij - i * j) / (std::sqrt(static_cast<double>(variance_i)) *
                                                  std::sqrt(static_cast<double>(variance_j)));
  }
};

double entropy_term(double p) { return -p * std::log(p + kEpsilon); }

}  // namespace

GreyImage grey_levels(const AmplitudeImage& stretched, int levels) {
  assert(levels >= 2 && levels <= 256);
  GreyImage grey{stretched.height, stretched.width, levels, {}};
  grey.codes.reserve(stretched.pixels.size());
  for (const float pixel : stretched.pixels) {
    const int code = static_cast<int>(static_cast<double>(pixel) * levels);
    grey.codes.push_back(static_cast<std::uint8_t>(std::min(code, levels - 1)));
  }
  return grey;
}

GlcmOffset::GlcmOffset(int distance_px, int angle)
    : distance(distance_px),
      angle_deg(angle),
      rows(static_cast<int>(std::lround(distance_px * std::sin(angle * std::numbers::pi / 180)))),
      columns(
          static_cast<int>(std::lround(distance_px * std::cos(angle * std::numbers::pi / 180)))) {}

std::string GlcmOffset::key() const { return fmt::format("{},{}", distance, angle_deg); }

double GlcmOffset::length() const {
  return std::sqrt(static_cast<double>(rows * rows + columns * columns));
}

GlcmCounter::GlcmCounter(int levels, GlcmPairs pairs)
    : levels_(levels), pairs_(pairs), counts_(static_cast<std::size_t>(levels) * levels, 0) {}

std::optional<GlcmFeatures> GlcmCounter::features(const GreyImage& image, const Window& window,
                                                  const GlcmOffset& offset) {
  assert(image.levels == levels_);
  count(image, window, offset);
  if (touched_.empty()) return std::nullopt;
  const GlcmFeatures features = evaluate();
  clear();
  return features;
}

void GlcmCounter::count(const GreyImage& image, const Window& window, const GlcmOffset& offset) {
  const int first_row = std::max(0, -offset.rows);
  const int last_row = window.height - std::max(0, offset.rows);
  const int first_col = std::max(0, -offset.columns);
  const int last_col = window.width - std::max(0, offset.columns);
  const auto at = [&](int row, int col) {
    return image.codes.data() + static_cast<std::ptrdiff_t>(window.row + row) * image.width +
           window.col + col;
  };
  for (int row = first_row; row < last_row; ++row) {
    const std::uint8_t* here = at(row, 0);
    const std::uint8_t* there = at(row + offset.rows, offset.columns);
    for (int col = first_col; col < last_col; ++col) {
      std::uint32_t i = here[col];
      std::uint32_t j = there[col];
      if (pairs_ == GlcmPairs::symmetric && i > j) std::swap(i, j);
      const std::uint32_t cell = i * static_cast<std::uint32_t>(levels_) + j;
      if (counts_[cell]++ == 0) touched_.push_back(cell);
    }
  }
}

GlcmFeatures GlcmCounter::evaluate() const {
  const bool symmetric = pairs_ == GlcmPairs::symmetric;
  Moments moments;
  std::int64_t contrast = 0;
  double homogeneity = 0;
  for (const std::uint32_t cell : touched_) {
    const std::int64_t i = cell / static_cast<std::uint32_t>(levels_);
    const std::int64_t j = cell % static_cast<std::uint32_t>(levels_);
    const std::int64_t count = counts_[cell];
    moments.add(i, j, count);
    if (symmetric) moments.add(j, i, count);
    const std::int64_t square = (i - j) * (i - j);
    contrast += square * count;
    homogeneity += static_cast<double>(count) / static_cast<double>(1 + square);
  }
  const double pairs = static_cast<double>(symmetric ? moments.n / 2 : moments.n);
  double entropy = 0;
  for (const std::uint32_t cell : touched_) {
    const double p = counts_[cell] / pairs;
    const bool split = symmetric && cell / levels_ != cell % levels_;
    entropy += split ? 2 * entropy_term(p / 2) : entropy_term(p);
  }
  return {static_cast<double>(contrast) / pairs, homogeneity / pairs, moments.correlation(),
          entropy};
}

void GlcmCounter::clear() {
  for (const std::uint32_t cell : touched_) counts_[cell] = 0;
  touched_.clear();
}

}  // namespace sarsweep::trainer
