#include <fmt/format.h>
#include <png.h>

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>

#include "schema/base/error.h"
#include "trainer/core/images/raster.h"

// libpng reports errors by longjmp. Every function below that calls setjmp keeps all objects with a
// destructor outside, in its caller, and throws only after libpng has returned.
namespace sarsweep::trainer {
namespace {

// Deflate turns 258 bytes into no less than two bits: 1032 to 1 is the most PNG can pack.
constexpr std::uint64_t kDeflateRatio = 1032;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

using Message = std::array<char, 200>;

[[noreturn]] void keep_message(png_structp png, png_const_charp text) {
  auto* message = static_cast<Message*>(png_get_error_ptr(png));
  std::snprintf(message->data(), message->size(), "%s", text);
  png_longjmp(png, 1);
}
void ignore_warning(png_structp, png_const_charp) {}

struct Source {
  std::string_view bytes;
  std::size_t at = 0;
};

void read_bytes(png_structp png, png_bytep out, std::size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (source->bytes.size() - source->at < count) png_error(png, "cut short");
  std::memcpy(out, source->bytes.data() + source->at, count);
  source->at += count;
}

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  Message message{};

  Reader() {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &message, keep_message, ignore_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) throw Error(ErrorCode::internal, "libpng cannot allocate a reader");
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

// False: reader.message says why.
bool read_header(Reader& reader, Source& source) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;  // NOLINT(cert-err52-cpp)
  png_set_read_fn(reader.png, &source, read_bytes);
  png_set_user_limits(reader.png, 1 << 20, 1 << 20);
  png_read_info(reader.png, reader.info);
  png_set_expand(reader.png);  // Palettes to RGB, 1/2/4-bit grey to 8.
  png_set_strip_alpha(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_rows(Reader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;  // NOLINT(cert-err52-cpp)
  png_read_image(reader.png, rows);
  png_read_end(reader.png, nullptr);
  return true;
}

[[noreturn]] void throw_unreadable(const std::string& name, const Reader& reader) {
  throw Error(ErrorCode::invalid, fmt::format("{}: not a readable PNG ({}); write the file again",
                                              name, reader.message.data()));
}

void decode(Reader& reader, const std::string& name, Raster& raster) {
  const auto height = static_cast<std::size_t>(raster.info.height);
  const std::size_t row_bytes = png_get_rowbytes(reader.png, reader.info);
  std::vector<png_byte> bytes(row_bytes * height);
  std::vector<png_bytep> rows(height);
  for (std::size_t row = 0; row < height; ++row) rows[row] = bytes.data() + row * row_bytes;
  if (!read_rows(reader, rows.data())) throw_unreadable(name, reader);
  const std::size_t count = height * raster.info.width * raster.channels;
  raster.samples.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    raster.samples[i] = raster.info.bits == 16
                            ? static_cast<float>(bytes[2 * i] * 256 + bytes[2 * i + 1])
                            : static_cast<float>(bytes[i]);
  }
}

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  Message message{};

  Writer() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &message, keep_message, ignore_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) throw Error(ErrorCode::internal, "libpng cannot allocate a writer");
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

bool write_rows(Writer& writer, std::FILE* file, const AmplitudeImage& image, int bits,
                png_bytepp rows) {
  if (setjmp(png_jmpbuf(writer.png)) != 0) return false;  // NOLINT(cert-err52-cpp)
  png_init_io(writer.png, file);
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), bits, PNG_COLOR_TYPE_GRAY,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  // Fixed, so that the bytes do not follow a default of the library.
  png_set_compression_level(writer.png, 6);
  png_set_filter(writer.png, PNG_FILTER_TYPE_BASE, bits == 16 ? PNG_FILTER_SUB : PNG_FILTER_NONE);
  png_write_info(writer.png, writer.info);
  png_write_image(writer.png, rows);
  png_write_end(writer.png, writer.info);
  return true;
}

std::vector<png_byte> quantised(const AmplitudeImage& image, int bits) {
  const double full = bits == 16 ? 65535.0 : 255.0;
  std::vector<png_byte> bytes;
  bytes.reserve(image.pixels.size() * (bits / 8));
  for (const float pixel : image.pixels) {
    const double clamped = pixel > 0 ? std::min(1.0, static_cast<double>(pixel)) : 0.0;
    const auto code = static_cast<unsigned>(clamped * full + 0.5);
    if (bits == 16) bytes.push_back(static_cast<png_byte>(code >> 8));
    bytes.push_back(static_cast<png_byte>(code & 0xff));
  }
  return bytes;
}

}  // namespace

Raster read_png(const PictureBytes& picture, ReadPart part) {
  Source source{picture.bytes};
  Reader reader;
  if (!read_header(reader, source)) throw_unreadable(picture.name, reader);
  Raster raster;
  const auto width = png_get_image_width(reader.png, reader.info);
  const auto height = png_get_image_height(reader.png, reader.info);
  raster.channels = png_get_channels(reader.png, reader.info);
  require_usable_size(picture.name, width, height, raster.channels);
  // A stored pixel has at least one bit, whatever it is expanded to.
  require_enough_bytes(picture, std::uint64_t{width} * height, kDeflateRatio);
  raster.info = {.height = static_cast<int>(height),
                 .width = static_cast<int>(width),
                 .bits = png_get_bit_depth(reader.png, reader.info),
                 .floating = false};
  if (part == ReadPart::all) decode(reader, picture.name, raster);
  return raster;
}

void write_png(const std::filesystem::path& path, const AmplitudeImage& image, int bits) {
  if (bits != 8 && bits != 16) {
    throw Error(ErrorCode::invalid, fmt::format("a PNG has 8 or 16 bits, not {}", bits));
  }
  if (image.height < 1 || image.width < 1 ||
      image.pixels.size() != static_cast<std::size_t>(image.height) * image.width) {
    throw Error(ErrorCode::invalid, fmt::format("{}: no {} x {} image to write", path.string(),
                                                image.width, image.height));
  }
  File file(std::fopen(path.c_str(), "wbe"));
  if (!file) {
    throw Error(ErrorCode::internal, fmt::format("{}: cannot be created", path.string()));
  }
  std::vector<png_byte> bytes = quantised(image, bits);
  const std::size_t row_bytes = static_cast<std::size_t>(image.width) * (bits / 8);
  std::vector<png_bytep> rows(image.height);
  for (std::size_t row = 0; row < rows.size(); ++row) rows[row] = bytes.data() + row * row_bytes;
  Writer writer;
  const bool written = write_rows(writer, file.get(), image, bits, rows.data());
  if (!written || std::fclose(file.release()) != 0) {
    throw Error(ErrorCode::internal, fmt::format("{}: cannot be written ({}); is the disk full?",
                                                 path.string(), writer.message.data()));
  }
}

}  // namespace sarsweep::trainer
