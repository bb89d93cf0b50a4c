#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// Grey-level co-occurrence: how often two grey levels lie a given offset apart (R. M. Haralick,
// K. Shanmugam, I. Dinstein, "Textural Features for Image Classification", IEEE Trans. SMC 3 (6),
// 1973). Offsets and rounding are scikit-image's.

// A picture in 2 to 256 grey levels, row-major.
struct GreyImage {
  int height = 0, width = 0, levels = 0;
  std::vector<std::uint8_t> codes;
};
// min(floor(levels * a), levels - 1) of amplitude a in [0,1]: a fixed range, so that pictures can
// be compared.
GreyImage grey_levels(const AmplitudeImage& stretched, int levels);

struct Window {
  int row = 0, col = 0, height = 0, width = 0;
};

// (rows, columns) = (round(d sin θ), round(d cos θ)), halves away from zero: θ = 0 is right, 45
// down-right, 90 below, 135 down-left. Rounding can give two pairs (d, θ) one offset.
struct GlcmOffset {
  int distance = 0, angle_deg = 0;
  int rows = 0, columns = 0;

  GlcmOffset(int distance, int angle_deg);
  std::string key() const;  // "2,45"
  double length() const;    // of the rounded offset, in pixels
  bool same_as(const GlcmOffset& other) const {
    return rows == other.rows && columns == other.columns;
  }
};

// With p the matrix normalised to sum 1 and i, j its levels:
//   contrast     sum p (i - j)²
//   homogeneity  sum p / (1 + (i - j)²)
//   correlation  sum p (i - mean i)(j - mean j) / (sigma i sigma j); 1 where a sigma is 0
//   entropy      - sum p ln(p + 1e-12) over the cells that are not empty, in nats
using GlcmFeatures = std::array<double, 4>;
inline constexpr std::array<std::string_view, 4> kGlcmFeatureNames = {"contrast", "homogeneity",
                                                                      "correlation", "entropy"};

// Whether a pair of pixels counts in both directions.
enum class GlcmPairs { symmetric, directed };

// Counts pairs in integers: the features are exact to the last rounding, in any order of pixels.
// Reusable; not thread-safe.
class GlcmCounter {
 public:
  GlcmCounter(int levels, GlcmPairs pairs);

  // Of the pairs that lie inside `window`, which lies inside `image` of the counter's levels;
  // nullopt where the offset does not fit.
  std::optional<GlcmFeatures> features(const GreyImage& image, const Window& window,
                                       const GlcmOffset& offset);

 private:
  void count(const GreyImage& image, const Window& window, const GlcmOffset& offset);
  GlcmFeatures evaluate() const;
  void clear();

  int levels_;
  GlcmPairs pairs_;
  std::vector<std::uint32_t> counts_;   // levels x levels; i <= j where symmetric
  std::vector<std::uint32_t> touched_;  // the cells that are not empty
};

}  // namespace sarsweep::trainer
