#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// What a user asks `sample` for.
struct OrderOptions {
  std::optional<std::string> prompt;
  std::filesystem::path prompts_file;  // one prompt a line, empty lines are skipped
  std::filesystem::path init_image;    // a picture, or a folder of them
  int count = 1;                       // pictures of each prompt
};

// One picture to make.
struct PictureOrder {
  std::string prompt;
  std::filesystem::path begin;  // the picture it begins from; empty: noise alone
};

// Every prompt `count` times, in order; with pictures to begin from, all that for each of them. A
// folder holds what its metadata.jsonl lists, or every PNG and TIFF in order of name. Without a
// prompt each picture has its own, the column `text`. Throws Error(invalid) or Error(not_found)
// with one sentence.
std::vector<PictureOrder> picture_orders(const OrderOptions& options);

// A picture to begin from: stretched amplitude in [0,1] as `sample` writes it. Throws
// Error(invalid) for a brighter one.
AmplitudeImage read_begin(const std::filesystem::path& file);

// The size all of them share. Reads each once; throws as read_begin does, and for another size.
struct PictureSize {
  int height = 0, width = 0;
};
PictureSize common_size(const std::vector<PictureOrder>& orders);

}  // namespace sarsweep::trainer
