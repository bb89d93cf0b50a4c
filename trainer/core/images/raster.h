#pragma once

#include <cstdint>
#include <filesystem>
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

// One reader a format. Both throw Error(invalid) that names the file and the cure. `header_only`
// leaves `samples` empty.
enum class ReadPart { all, header_only };
Raster read_png(const std::filesystem::path& path, ReadPart part);
Raster read_tiff(const std::filesystem::path& path, ReadPart part);

// Checks that hold for every format: at least 2 x 2 and at most 2^28 pixels.
void require_usable_size(const std::filesystem::path& path, std::int64_t width,
                         std::int64_t height);

}  // namespace sarsweep::trainer
