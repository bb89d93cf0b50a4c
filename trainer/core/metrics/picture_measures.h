#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "trainer/core/images/amplitude.h"
#include "trainer/core/metrics/histogram.h"
#include "trainer/core/metrics/looks.h"
#include "trainer/core/metrics/mask_files.h"
#include "trainer/core/metrics/metric_rules.h"
#include "trainer/core/metrics/spectrum.h"

namespace sarsweep::trainer {

// A number per GLCM feature and distinct offset, feature by feature: the mean over a picture's
// windows.
using Texture = std::vector<double>;

inline constexpr std::array<int, 2> kLags = {1, 4};
inline constexpr int kFineLevels = 256;  // measured beside the protocol's grey levels

// All that an evaluation needs of one picture.
struct PictureMeasures {
  AmplitudeHistogram histogram;
  std::array<double, kLags.size()> autocorrelation{};
  std::optional<Looks> looks = {};
  std::array<std::optional<double>, kSpectrumRings> spectrum{};
  int windows = 0;
  bool shorter_windows = false;         // the picture is smaller than a window
  bool without_mask = false;            // the masks hold none for it
  std::optional<Texture> texture = {};  // nullopt: no window, or windows too small for an offset
  std::optional<Texture> fine_texture = {};  // with kFineLevels
};

// A pair once both pictures are measured.
struct MeasuredPair {
  std::string label;
  std::optional<PictureMeasures> real, generated;
};

// Measures pictures by a protocol. Histogram and texture are of stretched amplitude rounded to the
// protocol's bits; autocorrelation, looks and spectrum of linear amplitude. Thread-safe.
class PictureMeter {
 public:
  // Throws as MaskFiles does.
  PictureMeter(const MetricRules& rules, const Stretch& stretch);

  // `file_name` is the name that masks know the pair by. Throws Error(invalid) that names it: a
  // sample that is negative or not finite, a mask of another size.
  PictureMeasures measure(const AmplitudeImage& amplitude, const std::string& file_name,
                          PairSide side) const;
  // The histogram alone; `what` is named in messages.
  AmplitudeHistogram histogram(const AmplitudeImage& amplitude, const std::string& what) const;

 private:
  AmplitudeImage stretched(const AmplitudeImage& amplitude, const std::string& what) const;
  void measure_texture(const AmplitudeImage& stretched, const std::string& file_name, PairSide side,
                       PictureMeasures& measures) const;

  MetricRules rules_;
  Stretch stretch_;
  std::optional<MaskFiles> masks_;
};

}  // namespace sarsweep::trainer
