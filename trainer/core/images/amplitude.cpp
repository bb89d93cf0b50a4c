#include "trainer/core/images/amplitude.h"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <cmath>
#include <fstream>

#include "schema/base/error.h"
#include "trainer/core/images/raster.h"

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kMaxPixels = 1LL << 28;

// Decides by the first bytes, not by the name: a renamed file is read for what it is.
Raster read_raster(const std::filesystem::path& path, ReadPart part) {
  std::array<char, 8> magic{};
  std::ifstream in(path, std::ios::binary);
  if (!in || !std::filesystem::is_regular_file(path)) {
    throw Error(ErrorCode::not_found,
                fmt::format("{}: no such picture, or it cannot be opened", path.string()));
  }
  in.read(magic.data(), magic.size());
  const std::string_view start(magic.data(), static_cast<std::size_t>(in.gcount()));
  if (start.starts_with("\x89PNG")) return read_png(path, part);
  const std::string_view order = start.substr(0, 2);
  if (order == "II" || order == "MM") return read_tiff(path, part);
  throw Error(
      ErrorCode::invalid,
      fmt::format("{}: neither PNG nor TIFF ({} bytes); convert it to 16-bit PNG or float32 "
                  "TIFF, since lossy formats destroy speckle",
                  path.string(), std::filesystem::file_size(path)));
}

double reduce(const float* samples, int channels, Gray gray) {
  if (channels == 1 || gray == Gray::first) return samples[0];
  const double red = samples[0];
  const double green = samples[1];
  const double blue = samples[2];
  if (gray == Gray::mean) return (red + green + blue) / 3.0;
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

void require_amplitude(const std::filesystem::path& path, const AmplitudeImage& image) {
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const float pixel = image.pixels[i];
    if (std::isfinite(pixel) && pixel >= 0) continue;
    const std::size_t row = i / static_cast<std::size_t>(image.width);
    const std::size_t column = i % static_cast<std::size_t>(image.width);
    const char* cure = std::isfinite(pixel)
                           ? "amplitude is never negative; if these are decibels, store 10^(dB/20)"
                           : "replace pixels without data by 0";
    throw Error(ErrorCode::invalid, fmt::format("{}: sample {} at row {}, column {}: {}",
                                                path.string(), pixel, row, column, cure));
  }
}

}  // namespace

Gray parse_gray(const std::string& text) {
  if (text == "mean") return Gray::mean;
  if (text == "luma") return Gray::luma;
  if (text == "first") return Gray::first;
  throw Error(ErrorCode::invalid,
              fmt::format("data.gray must be mean, luma or first (got '{}')", text), "data.gray");
}

void require_usable_size(const std::filesystem::path& path, std::int64_t width,
                         std::int64_t height) {
  if (width < 2 || height < 2) {
    throw Error(ErrorCode::invalid,
                fmt::format("{}: {} x {} pixels is no picture; at least 2 x 2 are needed",
                            path.string(), width, height));
  }
  if (width * height > kMaxPixels) {
    throw Error(ErrorCode::invalid,
                fmt::format("{}: {} x {} pixels; cut it into tiles of at most 2^28 pixels",
                            path.string(), width, height));
  }
}

ImageInfo read_image_info(const std::filesystem::path& path) {
  return read_raster(path, ReadPart::header_only).info;
}

AmplitudeImage read_amplitude(const std::filesystem::path& path, std::optional<double> scale,
                              Gray gray) {
  const Raster raster = read_raster(path, ReadPart::all);
  const double full = raster.info.bits == 16 ? 65535.0 : 255.0;
  const double divisor = scale || raster.info.floating ? 1.0 : full;
  AmplitudeImage image{raster.info.height, raster.info.width, {}};
  image.pixels.resize(static_cast<std::size_t>(image.height) * image.width);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const double stored =
        reduce(raster.samples.data() + i * raster.channels, raster.channels, gray);
    image.pixels[i] = static_cast<float>(stored * scale.value_or(1.0) / divisor);
  }
  require_amplitude(path, image);
  return image;
}

AmplitudeImage crop(const AmplitudeImage& image, int row, int col, int height, int width) {
  assert(row >= 0 && col >= 0 && row + height <= image.height && col + width <= image.width);
  AmplitudeImage part{height, width, {}};
  part.pixels.reserve(static_cast<std::size_t>(height) * width);
  for (int r = row; r < row + height; ++r) {
    const auto start = image.pixels.begin() + static_cast<std::ptrdiff_t>(r) * image.width + col;
    part.pixels.insert(part.pixels.end(), start, start + width);
  }
  return part;
}

void AmplitudeStatistics::add(const AmplitudeImage& image) {
  if (image.pixels.empty()) return;
  const auto n = static_cast<double>(image.pixels.size());
  double sum = 0;
  for (const float pixel : image.pixels) sum += pixel;
  const double mean = sum / n;
  double squares = 0;
  for (const float pixel : image.pixels) squares += (pixel - mean) * (pixel - mean);
  const double before = static_cast<double>(count_);
  const double delta = mean - mean_;
  mean_ += delta * n / (before + n);
  squares_ += squares + delta * delta * before * n / (before + n);
  count_ += image.pixels.size();
}

double AmplitudeStatistics::sigma() const {
  return count_ == 0 ? 0.0 : std::sqrt(squares_ / static_cast<double>(count_));
}

}  // namespace sarsweep::trainer
