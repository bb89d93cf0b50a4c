#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace sarsweep::trainer {

// A single-channel image of linear amplitude (not decibels, not intensity), row-major.
struct AmplitudeImage {
  int height = 0, width = 0;
  std::vector<float> pixels;
  float& at(int row, int col) { return pixels[static_cast<std::size_t>(row) * width + col]; }
  float at(int row, int col) const { return pixels[static_cast<std::size_t>(row) * width + col]; }
};

// How an RGB picture becomes one channel.
enum class Gray { mean, luma, first };

// PNG (8 or 16 bit, grey or RGB) or float TIFF. Integer samples are divided by their full scale (255 or
// 65535) when `scale` is absent, else multiplied by it. Throws Error(invalid) naming the file.
AmplitudeImage read_amplitude(const std::filesystem::path& path, std::optional<double> scale,
                              Gray gray);
// Writes [0,1] as grey PNG of 8 or 16 bits, clamped, rounded half up. Equal input, equal bytes.
void write_png(const std::filesystem::path& path, const AmplitudeImage& image, int bits);

// The map from linear amplitude to the trained range [0,1], and back. For mean3sigma
// y = min(1, a / (mean + 3 sigma)) (arXiv 2506.13307 eq. 1); sqrt and log act on a / reference.
struct Stretch {
  enum class Kind { none, mean3sigma, sqrt, log, window };
  enum class Scope { image, scene, dataset };
  Kind kind = Kind::none;
  Scope scope = Scope::dataset;
  double reference = 1;      // the amplitude that maps to 1; of the data for dataset scope
  double lo = 0, hi = 1;     // window

  AmplitudeImage forward(const AmplitudeImage& amplitude) const;   // image scope: measures the image
  AmplitudeImage inverse(const AmplitudeImage& stretched) const;   // of dataset scope and fixed windows
  bool invertible() const;
  nlohmann::json to_json() const;
  static Stretch from_json(const nlohmann::json& json);  // as written by to_json
};

// The stretch a config asks for ("none", "mean3sigma", …, {lo, hi}); dataset statistics are taken
// from `images_mean`, `images_sigma` of the training split.
Stretch make_stretch(const nlohmann::json& config_value, const std::string& scope,
                     double images_mean, double images_sigma);

}  // namespace sarsweep::trainer
