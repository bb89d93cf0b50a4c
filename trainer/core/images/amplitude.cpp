#include "trainer/core/images/amplitude.h"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <cmath>

#include "schema/base/error.h"
#include "trainer/core/images/raster.h"

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kMaxSamples = 1LL << 28;

// Decides by the first bytes, not by the name: a renamed file is read for what it is.
Raster read_raster(std::string_view bytes, const std::string& name, ReadPart part) {
  const PictureBytes picture{bytes, name};
  if (bytes.starts_with("\x89PNG")) return read_png(picture, part);
  const std::string_view order = bytes.substr(0, 2);
  if (order == "II" || order == "MM") return read_tiff(picture, part);
  if (bytes.empty()) {
    throw Error(ErrorCode::invalid, fmt::format("{}: is empty; copy the file again", name));
  }
  throw Error(
      ErrorCode::invalid,
      fmt::format("{}: neither PNG nor TIFF ({} bytes); convert it to 16-bit PNG or float32 "
                  "TIFF, since lossy formats destroy speckle",
                  name, bytes.size()));
}

double reduce(const float* samples, int channels, Gray gray) {
  if (channels == 1 || gray == Gray::first) return samples[0];
  const double red = samples[0];
  const double green = samples[1];
  const double blue = samples[2];
  if (gray == Gray::mean) return (red + green + blue) / 3.0;
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

void require_amplitude(const std::string& name, const AmplitudeImage& image) {
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const float pixel = image.pixels[i];
    if (std::isfinite(pixel) && pixel >= 0) continue;
    const std::size_t row = i / static_cast<std::size_t>(image.width);
    const std::size_t column = i % static_cast<std::size_t>(image.width);
    const char* cure = std::isfinite(pixel)
                           ? "amplitude is never negative; if these are decibels, store 10^(dB/20)"
                           : "replace pixels without data by 0";
    throw Error(ErrorCode::invalid, fmt::format("{}: sample {} at row {}, column {}: {}", name,
                                                pixel, row, column, cure));
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

void require_usable_size(const std::string& name, std::int64_t width, std::int64_t height,
                         std::int64_t channels) {
  if (width < 2 || height < 2) {
    throw Error(ErrorCode::invalid,
                fmt::format("{}: {} x {} pixels is no picture; at least 2 x 2 are needed", name,
                            width, height));
  }
  if (width > kMaxSamples / height / channels) {
    throw Error(ErrorCode::invalid,
                fmt::format("{}: {} x {} pixels of {}; cut it into tiles of at most 2^28 samples",
                            name, width, height, channels));
  }
}

void require_enough_bytes(const PictureBytes& picture, std::uint64_t packed_bits,
                          std::uint64_t ratio) {
  if (packed_bits / 8 / ratio <= picture.bytes.size()) return;
  throw Error(ErrorCode::invalid,
              fmt::format("{}: its header promises {} bytes of pixels, which {} bytes cannot hold; "
                          "copy the file again",
                          picture.name, packed_bits / 8, picture.bytes.size()));
}

ImageInfo read_image_info(std::string_view bytes, const std::string& name) {
  return read_raster(bytes, name, ReadPart::header_only).info;
}

AmplitudeImage read_amplitude(const PictureFile& file, std::optional<double> scale, Gray gray) {
  const std::string name = file.name();
  const Raster raster = read_raster(file.read(), name, ReadPart::all);
  const double full = raster.info.bits == 16 ? 65535.0 : 255.0;
  const double divisor = scale || raster.info.floating ? 1.0 : full;
  AmplitudeImage image{raster.info.height, raster.info.width, {}};
  image.pixels.resize(static_cast<std::size_t>(image.height) * image.width);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const double stored =
        reduce(raster.samples.data() + i * raster.channels, raster.channels, gray);
    image.pixels[i] = static_cast<float>(stored * scale.value_or(1.0) / divisor);
  }
  require_amplitude(name, image);
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
