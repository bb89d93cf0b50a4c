#include <fmt/format.h>
#include <tiffio.h>

#include <algorithm>
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

// The file in memory, as the library's callbacks see it.
struct Source {
  std::string_view bytes;
  std::uint64_t at = 0;
};

tmsize_t read_bytes(thandle_t handle, void* out, tmsize_t count) {
  auto* source = static_cast<Source*>(handle);
  const std::uint64_t left = source->bytes.size() - source->at;
  const std::uint64_t taken = std::min(left, static_cast<std::uint64_t>(count));
  std::memcpy(out, source->bytes.data() + source->at, taken);
  source->at += taken;
  return static_cast<tmsize_t>(taken);
}
tmsize_t refuse_to_write(thandle_t, void*, tmsize_t) { return -1; }
toff_t seek_bytes(thandle_t handle, toff_t offset, int whence) {
  auto* source = static_cast<Source*>(handle);
  const std::uint64_t size = source->bytes.size();
  const std::uint64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? source->at : size;
  source->at = std::min(from + offset, size);  // What lies beyond the end reads as nothing.
  return source->at;
}
int close_bytes(thandle_t) { return 0; }
toff_t size_of_bytes(thandle_t handle) { return static_cast<Source*>(handle)->bytes.size(); }

Tiff open_tiff(Source& source, const std::string& name, Message& message) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
      TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_message, &message);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore_warning, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), 1 << 30);
  return Tiff(TIFFClientOpenExt(name.c_str(), "rm", &source, read_bytes, refuse_to_write,
                                seek_bytes, close_bytes, size_of_bytes, nullptr, nullptr,
                                options.get()));
}

[[noreturn]] void refuse(const std::string& name, const std::string& reason) {
  throw Error(ErrorCode::invalid, fmt::format("{}: {}", name, reason));
}

[[noreturn]] void refuse_unreadable(const std::string& name, const Message& message) {
  refuse(name, fmt::format("not a readable TIFF ({}); write the file again", message.data()));
}

std::uint16_t tag(TIFF* tiff, std::uint32_t name) {
  std::uint16_t value = 0;
  TIFFGetFieldDefaulted(tiff, name, &value);
  return value;
}

void require_supported(TIFF* tiff, const std::string& name) {
  const std::uint16_t format = tag(tiff, TIFFTAG_SAMPLEFORMAT);
  const std::uint16_t bits = tag(tiff, TIFFTAG_BITSPERSAMPLE);
  const std::uint16_t channels = tag(tiff, TIFFTAG_SAMPLESPERPIXEL);
  const std::uint16_t colours = tag(tiff, TIFFTAG_PHOTOMETRIC);
  if (format == SAMPLEFORMAT_COMPLEXIEEEFP || format == SAMPLEFORMAT_COMPLEXINT) {
    refuse(name, "holds complex samples; store the amplitude |z| as float32");
  }
  const bool floating = format == SAMPLEFORMAT_IEEEFP && bits == 32;
  const bool integer = format == SAMPLEFORMAT_UINT && (bits == 8 || bits == 16);
  if (!floating && !integer) {
    refuse(name, fmt::format("holds {}-bit samples of TIFF format {}; store float32 or 8/16-bit "
                             "unsigned amplitude",
                             bits, format));
  }
  if (colours != PHOTOMETRIC_MINISBLACK && colours != PHOTOMETRIC_RGB) {
    refuse(name, fmt::format("has TIFF colour space {} (CMYK is 5, palette 3, white-is-zero 0); "
                             "store grey (black is zero) or RGB",
                             colours));
  }
  if (channels != (colours == PHOTOMETRIC_RGB ? 3 : 1)) {
    refuse(name, fmt::format("has {} samples a pixel; store one (grey) or three (RGB)", channels));
  }
  if (channels > 1 && tag(tiff, TIFFTAG_PLANARCONFIG) != PLANARCONFIG_CONTIG) {
    refuse(name, "stores its channels in separate planes; store them interleaved");
  }
}

// Reduced copies and masks may follow the picture; a second picture would be lost without a word.
void require_one_picture(TIFF* tiff, const std::string& name) {
  while (TIFFReadDirectory(tiff) != 0) {
    std::uint32_t kind = 0;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SUBFILETYPE, &kind);
    if ((kind & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) == 0) {
      refuse(name, "holds several pictures; store one picture a file");
    }
  }
  TIFFSetDirectory(tiff, 0);
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

Raster read_tiff(const PictureBytes& picture, ReadPart part) {
  Message message{};
  Source source{picture.bytes};
  const Tiff tiff = open_tiff(source, picture.name, message);
  if (!tiff) refuse_unreadable(picture.name, message);
  require_one_picture(tiff.get(), picture.name);
  require_supported(tiff.get(), picture.name);
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  Raster raster;
  raster.channels = tag(tiff.get(), TIFFTAG_SAMPLESPERPIXEL);
  require_usable_size(picture.name, width, height, raster.channels);
  raster.info = {.height = static_cast<int>(height),
                 .width = static_cast<int>(width),
                 .bits = tag(tiff.get(), TIFFTAG_BITSPERSAMPLE),
                 .floating = tag(tiff.get(), TIFFTAG_SAMPLEFORMAT) == SAMPLEFORMAT_IEEEFP};
  if (tag(tiff.get(), TIFFTAG_COMPRESSION) == COMPRESSION_NONE) {
    const std::uint64_t samples = std::uint64_t{width} * height * raster.channels;
    require_enough_bytes(picture, samples * raster.info.bits, 1);
  }
  if (part == ReadPart::header_only) return raster;
  raster.samples.resize(static_cast<std::size_t>(width) * height * raster.channels);
  const bool complete = TIFFIsTiled(tiff.get()) != 0 ? read_tiles(tiff.get(), raster)
                                                     : read_strips(tiff.get(), raster);
  if (!complete) refuse_unreadable(picture.name, message);
  return raster;
}

}  // namespace sarsweep::trainer
