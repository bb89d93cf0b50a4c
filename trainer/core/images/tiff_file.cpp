#include <fmt/format.h>
#include <tiffio.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "schema/base/error.h"
#include "trainer/core/images/raster.h"

namespace sarsweep::trainer {
namespace {

using Message = std::array<char, 200>;

int keep_message(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  auto* message = static_cast<Message*>(user);
  std::vsnprintf(message->data(), message->size(), format, arguments);
  return 1;  // Handled: the library's global handler stays out of it.
}
int ignore_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, CloseTiff>;

Tiff open_tiff(const std::filesystem::path& path, Message& message) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
      TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_message, &message);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore_warning, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), 1 << 30);
  return Tiff(TIFFOpenExt(path.c_str(), "rm", options.get()));
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason) {
  throw Error(ErrorCode::invalid, fmt::format("{}: {}", path.string(), reason));
}

[[noreturn]] void refuse_unreadable(const std::filesystem::path& path, const Message& message) {
  refuse(path, fmt::format("not a readable TIFF ({}); write the file again", message.data()));
}

std::uint16_t tag(TIFF* tiff, std::uint32_t name) {
  std::uint16_t value = 0;
  TIFFGetFieldDefaulted(tiff, name, &value);
  return value;
}

void require_supported(TIFF* tiff, const std::filesystem::path& path) {
  const std::uint16_t format = tag(tiff, TIFFTAG_SAMPLEFORMAT);
  const std::uint16_t bits = tag(tiff, TIFFTAG_BITSPERSAMPLE);
  const std::uint16_t channels = tag(tiff, TIFFTAG_SAMPLESPERPIXEL);
  const std::uint16_t colours = tag(tiff, TIFFTAG_PHOTOMETRIC);
  if (format == SAMPLEFORMAT_COMPLEXIEEEFP || format == SAMPLEFORMAT_COMPLEXINT) {
    refuse(path, "holds complex samples; store the amplitude |z| as float32");
  }
  const bool floating = format == SAMPLEFORMAT_IEEEFP && bits == 32;
  const bool integer = format == SAMPLEFORMAT_UINT && (bits == 8 || bits == 16);
  if (!floating && !integer) {
    refuse(path, fmt::format("holds {}-bit samples of TIFF format {}; store float32 or 8/16-bit "
                             "unsigned amplitude",
                             bits, format));
  }
  if (colours != PHOTOMETRIC_MINISBLACK && colours != PHOTOMETRIC_RGB) {
    refuse(path, fmt::format("has TIFF colour space {} (CMYK is 5, palette 3, white-is-zero 0); "
                             "store grey (black is zero) or RGB",
                             colours));
  }
  if (channels != (colours == PHOTOMETRIC_RGB ? 3 : 1)) {
    refuse(path, fmt::format("has {} samples a pixel; store one (grey) or three (RGB)", channels));
  }
  if (channels > 1 && tag(tiff, TIFFTAG_PLANARCONFIG) != PLANARCONFIG_CONTIG) {
    refuse(path, "stores its channels in separate planes; store them interleaved");
  }
}

float sample_at(const unsigned char* bytes, std::size_t i, const ImageInfo& info) {
  if (info.floating) {
    float value = 0;
    std::memcpy(&value, bytes + 4 * i, sizeof value);
    return value;
  }
  if (info.bits == 8) return bytes[i];
  std::uint16_t value = 0;
  std::memcpy(&value, bytes + 2 * i, sizeof value);
  return value;
}

// libtiff has already put 16- and 32-bit samples into the machine's byte order.
bool read_strips(TIFF* tiff, Raster& raster) {
  const std::size_t per_row = static_cast<std::size_t>(raster.info.width) * raster.channels;
  std::vector<unsigned char> line(static_cast<std::size_t>(TIFFScanlineSize(tiff)));
  for (int row = 0; row < raster.info.height; ++row) {
    if (TIFFReadScanline(tiff, line.data(), static_cast<std::uint32_t>(row), 0) < 0) return false;
    for (std::size_t i = 0; i < per_row; ++i) {
      raster.samples[static_cast<std::size_t>(row) * per_row + i] =
          sample_at(line.data(), i, raster.info);
    }
  }
  return true;
}

void copy_tile(const std::vector<unsigned char>& tile, int top, int left, std::uint32_t tile_width,
               std::uint32_t tile_height, Raster& raster) {
  const int rows = std::min(static_cast<int>(tile_height), raster.info.height - top);
  const int columns = std::min(static_cast<int>(tile_width), raster.info.width - left);
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < columns * raster.channels; ++i) {
      const std::size_t from = static_cast<std::size_t>(row) * tile_width * raster.channels + i;
      const std::size_t to =
          (static_cast<std::size_t>(top + row) * raster.info.width + left) * raster.channels + i;
      raster.samples[to] = sample_at(tile.data(), from, raster.info);
    }
  }
}

bool read_tiles(TIFF* tiff, Raster& raster) {
  std::uint32_t tile_width = 0;
  std::uint32_t tile_height = 0;
  TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tile_width);
  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &tile_height);
  if (tile_width == 0 || tile_height == 0) return false;
  std::vector<unsigned char> tile(static_cast<std::size_t>(TIFFTileSize(tiff)));
  for (int top = 0; top < raster.info.height; top += static_cast<int>(tile_height)) {
    for (int left = 0; left < raster.info.width; left += static_cast<int>(tile_width)) {
      const auto x = static_cast<std::uint32_t>(left);
      const auto y = static_cast<std::uint32_t>(top);
      if (TIFFReadTile(tiff, tile.data(), x, y, 0, 0) < 0) return false;
      copy_tile(tile, top, left, tile_width, tile_height, raster);
    }
  }
  return true;
}

}  // namespace

Raster read_tiff(const std::filesystem::path& path, ReadPart part) {
  Message message{};
  const Tiff tiff = open_tiff(path, message);
  if (!tiff) refuse_unreadable(path, message);
  require_supported(tiff.get(), path);
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  require_usable_size(path, width, height);
  Raster raster;
  raster.info = {.height = static_cast<int>(height),
                 .width = static_cast<int>(width),
                 .bits = tag(tiff.get(), TIFFTAG_BITSPERSAMPLE),
                 .floating = tag(tiff.get(), TIFFTAG_SAMPLEFORMAT) == SAMPLEFORMAT_IEEEFP};
  raster.channels = tag(tiff.get(), TIFFTAG_SAMPLESPERPIXEL);
  if (part == ReadPart::header_only) return raster;
  raster.samples.resize(static_cast<std::size_t>(width) * height * raster.channels);
  const bool complete = TIFFIsTiled(tiff.get()) != 0 ? read_tiles(tiff.get(), raster)
                                                     : read_strips(tiff.get(), raster);
  if (!complete) refuse_unreadable(path, message);
  return raster;
}

}  // namespace sarsweep::trainer
