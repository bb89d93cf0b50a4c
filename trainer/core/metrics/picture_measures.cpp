#include "trainer/core/metrics/picture_measures.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "schema/base/error.h"
#include "trainer/core/metrics/autocorrelation.h"
#include "trainer/core/metrics/texture_windows.h"

namespace sarsweep::trainer {
namespace {

void require_amplitude(const AmplitudeImage& image, const std::string& what) {
  for (const float pixel : image.pixels) {
    if (std::isfinite(pixel) && pixel >= 0) continue;
    throw Error(
        ErrorCode::invalid,
        fmt::format("{}: amplitude {}: a picture to evaluate holds finite numbers from 0 on", what,
                    pixel));
  }
}

// Both sides are rounded to the same codes, so that neither has bins the other cannot reach.
void quantise(AmplitudeImage& stretched, int bits) {
  if (bits == 0) return;
  const double full = bits == 16 ? 65535.0 : 255.0;
  for (float& pixel : stretched.pixels) {
    pixel = static_cast<float>(std::floor(pixel * full + 0.5) / full);
  }
}

std::optional<Texture> mean_texture(const GreyImage& grey, const std::vector<Window>& windows,
                                    const std::vector<GlcmOffset>& offsets) {
  if (windows.empty()) return std::nullopt;
  GlcmCounter counter(grey.levels, GlcmPairs::symmetric);
  Texture texture(kGlcmFeatureNames.size() * offsets.size(), 0.0);
  for (std::size_t o = 0; o < offsets.size(); ++o) {
    GlcmFeatures sums{};
    for (const Window& window : windows) {
      const std::optional<GlcmFeatures> features = counter.features(grey, window, offsets[o]);
      if (!features) return std::nullopt;
      for (std::size_t f = 0; f < sums.size(); ++f) sums[f] += (*features)[f];
    }
    for (std::size_t f = 0; f < sums.size(); ++f) {
      texture[f * offsets.size() + o] = sums[f] / static_cast<double>(windows.size());
    }
  }
  return texture;
}

const char* name_of(PairSide side) { return side == PairSide::real ? "real" : "generated"; }

}  // namespace

PictureMeter::PictureMeter(const MetricRules& rules, const Stretch& stretch)
    : rules_(rules), stretch_(stretch) {
  if (names_files(rules_.masks)) masks_.emplace(rules_.masks);
}

PictureMeasures PictureMeter::measure(const AmplitudeImage& amplitude, const std::string& file_name,
                                      PairSide side) const {
  const AmplitudeImage display =
      stretched(amplitude, fmt::format("{} ({})", file_name, name_of(side)));
  PictureMeasures measures{.histogram = AmplitudeHistogram(rules_.bins, rules_.saturation)};
  measures.histogram.add(display);
  for (std::size_t i = 0; i < kLags.size(); ++i) {
    measures.autocorrelation[i] = autocorrelation(amplitude, kLags[i]);
  }
  measures.looks = equivalent_looks(amplitude);
  measures.spectrum = radial_spectrum(amplitude);
  measure_texture(display, file_name, side, measures);
  return measures;
}

AmplitudeHistogram PictureMeter::histogram(const AmplitudeImage& amplitude,
                                           const std::string& what) const {
  AmplitudeHistogram histogram(rules_.bins, rules_.saturation);
  histogram.add(stretched(amplitude, what));
  return histogram;
}

AmplitudeImage PictureMeter::stretched(const AmplitudeImage& amplitude,
                                       const std::string& what) const {
  require_amplitude(amplitude, what);
  AmplitudeImage image = stretch_.forward(amplitude);
  quantise(image, rules_.bits);
  return image;
}

void PictureMeter::measure_texture(const AmplitudeImage& stretched, const std::string& file_name,
                                   PairSide side, PictureMeasures& measures) const {
  std::optional<Mask> mask;
  if (rules_.masks == "builtin") mask = builtin_mask(stretched);
  if (masks_) mask = masks_->largest(file_name, side, stretched);
  measures.without_mask = masks_ && !mask;
  if (measures.without_mask) return;
  const std::vector<Window> windows =
      texture_windows(stretched.height, stretched.width, mask ? &*mask : nullptr);
  measures.windows = static_cast<int>(windows.size());
  measures.shorter_windows = stretched.height < kWindowSide || stretched.width < kWindowSide;
  measures.texture =
      mean_texture(grey_levels(stretched, rules_.glcm.levels), windows, rules_.glcm.distinct);
  if (rules_.glcm.levels != kFineLevels) {
    measures.fine_texture =
        mean_texture(grey_levels(stretched, kFineLevels), windows, rules_.glcm.distinct);
  }
}

}  // namespace sarsweep::trainer
