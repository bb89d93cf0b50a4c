#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "trainer/core/images/amplitude.h"
#include "trainer/core/synthetic/scenes.h"

namespace sarsweep::trainer::synthetic {

inline constexpr double kScale =
    1.0 / 2048;  // stored x scale = amplitude; 32 is the largest stored

// One image of the miniature physical SAR set.
struct SyntheticImage {
  AmplitudeImage amplitude;
  ComplexImage field;  // before detection
  std::string caption;
  nlohmann::json parameters;
};

// The `index`-th image of a kind: a pure function of its arguments.
SyntheticImage synthetic_image(const SceneKind& kind, int size, std::uint64_t seed,
                               std::uint64_t index);

struct SetOptions {
  std::filesystem::path folder;  // made; must not hold a set already
  int per_label = 100;           // >= 6
  int size = 256;                // pixels a side, 16 to 4096
  std::uint64_t seed = 0;
};

struct SplitSizes {
  int train, val, test;
};
// 80/10/10 of each label; val and test hold at least 2, and at least 10 where per_label >= 100.
SplitSizes split_sizes(int per_label);

// Writes train/, val/ and test/ with 16-bit PNG and metadata.jsonl (file_name, text, label, scale,
// pixel_spacing_m, parameters, seed, index). The same bytes for the same options wherever libm and
// libpng agree: Philox, no std:: distribution, no contraction of products. `progress(done, total)`.
// Metadata comes last: an interrupted set has none and can be written again. Throws Error(invalid)
// for options out of range or a folder that holds a set.
void write_synthetic_set(const SetOptions& options, const std::function<void(int, int)>& progress);

}  // namespace sarsweep::trainer::synthetic
