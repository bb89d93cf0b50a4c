#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/images/picture_file.h"

namespace sarsweep::trainer {

// A single-channel image of linear amplitude (not decibels, not intensity), row-major.
struct AmplitudeImage {
  int height = 0, width = 0;
  std::vector<float> pixels;
  float& at(int row, int col) { return pixels[static_cast<std::size_t>(row) * width + col]; }
  float at(int row, int col) const { return pixels[static_cast<std::size_t>(row) * width + col]; }
};

// How an RGB picture becomes one channel: the mean of the three, Rec. 601 luma
// (0.299 R + 0.587 G + 0.114 B), or the first. Alpha is ignored.
enum class Gray { mean, luma, first };

// "mean", "luma" or "first". Throws Error(invalid, field data.gray).
Gray parse_gray(const std::string& text);

// What a picture's header says; nothing is decoded.
struct ImageInfo {
  int height = 0, width = 0;
  int bits = 8;           // of a stored sample, after expansion of palettes and 1/2/4-bit grey
  bool floating = false;  // float32 samples (TIFF)
};
// `bytes`: the whole file, which messages call `name`. Throws as read_amplitude does.
ImageInfo read_image_info(std::string_view bytes, const std::string& name);

// PNG (8 or 16 bit, grey, palette or RGB) or TIFF (8/16-bit unsigned or float32, one or three
// samples, strips or tiles). Integer samples are divided by their full scale (255 or 65535) when
// `scale` is absent, else multiplied by it; float samples are multiplied by `scale` (absent: 1).
// Throws Error(invalid), or Error(not_found), naming the file and the cure: not a picture, damaged,
// another colour space, smaller than 2 x 2, more samples than the bytes of the file can hold,
// non-finite or negative samples.
AmplitudeImage read_amplitude(const PictureFile& file, std::optional<double> scale, Gray gray);
// Writes [0,1] as grey PNG of 8 or 16 bits, clamped, rounded half up. Equal input, equal bytes.
void write_png(const std::filesystem::path& path, const AmplitudeImage& image, int bits);

// The part of `height` x `width` whose upper left pixel is (row, col), which must lie inside.
AmplitudeImage crop(const AmplitudeImage& image, int row, int col, int height, int width);

// Mean and population standard deviation of many pixels, one pass, in double: images are merged by
// Chan's update, so the order of pixels inside an image does not cost digits.
class AmplitudeStatistics {
 public:
  void add(const AmplitudeImage& image);
  double mean() const { return mean_; }
  double sigma() const;
  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;  // sum of squared deviations from the mean
};

// Of the stretch `log`: 60 dB between the reference and where it turns linear.
inline constexpr double kLogGain = 1000.0;

// The map from linear amplitude to the trained range [0,1], and back. With r = reference:
//   mean3sigma  y = min(1, a / r), r = mean + 3 sigma   (arXiv 2506.13307 eq. 1)
//   sqrt        y = sqrt(min(1, a / r))
//   log         y = min(1, ln(1 + 1000 a / r) / ln 1001): 60 dB, and zero stays zero
//   window      y = clamp((a - lo) / (hi - lo), 0, 1)
//   none        y = min(1, a)
// Arithmetic is double, rounded to float at the end.
struct Stretch {
  enum class Kind { none, mean3sigma, sqrt, log, window };
  enum class Scope { image, scene, dataset };
  Kind kind = Kind::none;
  Scope scope = Scope::dataset;
  double reference = 1;   // the amplitude that maps to 1; of the data for dataset scope
  double lo = 0, hi = 1;  // window

  AmplitudeImage forward(const AmplitudeImage& amplitude) const;  // image scope: measures the image
  // Of dataset scope and fixed windows; what forward clamped comes back as `reference` or `hi`.
  // Throws Error(invalid) where !invertible().
  AmplitudeImage inverse(const AmplitudeImage& stretched) const;
  bool invertible() const;
  nlohmann::json to_json() const;
  static Stretch from_json(const nlohmann::json& json);  // as written by to_json
};

// The stretch a config asks for ("none", "mean3sigma", "sqrt", "log", {lo, hi}); dataset statistics
// are `images_mean`, `images_sigma` of the training split. Throws Error(invalid, field data.stretch
// or data.stretch_scope); scene scope is refused.
Stretch make_stretch(const nlohmann::json& config_value, const std::string& scope,
                     double images_mean, double images_sigma);

// Kind and window of the stretch a config asks for, not measured on anything: reference 1.
Stretch stretch_kind(const nlohmann::json& config_value);

// True if make_stretch needs the statistics of the training split.
bool needs_statistics(const nlohmann::json& config_value, const std::string& scope);

}  // namespace sarsweep::trainer
