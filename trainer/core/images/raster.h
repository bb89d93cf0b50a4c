#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// The samples of a picture file as stored, before grey reduction and scaling; row-major,
// interleaved.
struct Raster {
  ImageInfo info;
  int channels = 1;            // 1 or 3
  std::vector<float> samples;  // integers up to 65535 are exact in float
};

// A whole picture file in memory; `name` is what messages call it.
struct PictureBytes {
  std::string_view bytes;
  const std::string& name;
};

// One reader a format. Both throw Error(invalid) that names the file and the cure. `header_only`
// leaves `samples` empty.
enum class ReadPart { all, header_only };
Raster read_png(const PictureBytes& picture, ReadPart part);
Raster read_tiff(const PictureBytes& picture, ReadPart part);

// Checks that hold for every format before anything is allocated: at least 2 x 2 pixels and at most
// 2^28 samples.
void require_usable_size(const std::string& name, std::int64_t width, std::int64_t height,
                         std::int64_t channels);
// Refuses a header that promises more than the file can hold: `packed_bits` of samples, of which a
// byte of the file gives at most `ratio` bytes.
void require_enough_bytes(const PictureBytes& picture, std::uint64_t packed_bits,
                          std::uint64_t ratio);

}  // namespace sarsweep::trainer
