#include "trainer/torch/commands/picture_orders.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "trainer/core/data/image_folder.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid, message); }

std::vector<std::string> wanted_prompts(const OrderOptions& options) {
  if (options.prompt) return {*options.prompt};
  if (options.prompts_file.empty()) return {};
  std::istringstream lines(read_file(options.prompts_file));
  std::vector<std::string> prompts;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) prompts.push_back(line);
  }
  if (prompts.empty()) refuse(fmt::format("{} holds no prompt", options.prompts_file.string()));
  return prompts;
}

struct Begin {
  fs::path file;
  std::optional<std::string> caption;
};

std::vector<Begin> listed(const fs::path& folder) {
  std::vector<Begin> begins;
  for (const MetadataRow& row : read_metadata(folder)) {
    const std::optional<std::string> name = text_of(row, "file_name");
    if (!name) refuse(row.where + ": has no \"file_name\"");
    if (row.values.contains("scale")) {
      refuse(
          row.where +
          ": has a \"scale\", so its picture is amplitude; --init-image takes pictures stretched "
          "to [0,1], as `sample` writes them");
    }
    begins.push_back({file_beneath(folder, *name, row.where), text_of(row, "text")});
  }
  return begins;
}

std::vector<Begin> found(const fs::path& folder) {
  static const std::set<std::string> kEndings = {".png", ".PNG", ".tif", ".tiff", ".TIF", ".TIFF"};
  std::vector<Begin> begins;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && kEndings.contains(entry.path().extension().string())) {
      begins.push_back({entry.path(), std::nullopt});
    }
  }
  if (begins.empty()) refuse(fmt::format("{}: holds no PNG or TIFF", folder.string()));
  std::sort(begins.begin(), begins.end(),
            [](const Begin& a, const Begin& b) { return a.file < b.file; });
  return begins;
}

std::vector<Begin> wanted_begins(const fs::path& init_image) {
  if (init_image.empty()) return {};
  if (!fs::exists(init_image)) {
    throw Error(ErrorCode::not_found,
                fmt::format("--init-image {}: no such file or folder", init_image.string()));
  }
  if (!fs::is_directory(init_image)) return {{init_image, std::nullopt}};
  return fs::exists(init_image / "metadata.jsonl") ? listed(init_image) : found(init_image);
}

// The picture's own caption stands in where no prompt was given.
std::vector<std::string> prompts_for(const Begin& begin, const std::vector<std::string>& prompts) {
  if (!prompts.empty()) return prompts;
  if (begin.caption) return {*begin.caption};
  refuse(
      fmt::format("{} has no caption; give --prompt TEXT or --prompts FILE, or a metadata.jsonl "
                  "with a column \"text\"",
                  begin.file.string()));
}

}  // namespace

std::vector<PictureOrder> picture_orders(const OrderOptions& options) {
  const std::vector<std::string> prompts = wanted_prompts(options);
  const std::vector<Begin> begins = wanted_begins(options.init_image);
  std::vector<PictureOrder> orders;
  const auto add = [&](const std::vector<std::string>& texts, const fs::path& begin) {
    for (const std::string& text : texts) {
      for (int i = 0; i < options.count; ++i) orders.push_back({text, begin});
    }
  };
  for (const Begin& begin : begins) add(prompts_for(begin, prompts), begin.file);
  if (begins.empty()) add(prompts, {});
  if (orders.empty()) refuse("nothing to show: give --prompt TEXT or --prompts FILE");
  return orders;
}

AmplitudeImage read_begin(const fs::path& file) {
  AmplitudeImage image = read_amplitude({file}, std::nullopt, Gray::mean);
  const auto brightest = std::max_element(image.pixels.begin(), image.pixels.end());
  if (*brightest > 1) {
    refuse(
        fmt::format("{}: sample {}: --init-image takes pictures stretched to [0,1], as `sample` "
                    "writes them",
                    file.string(), *brightest));
  }
  return image;
}

PictureSize common_size(const std::vector<PictureOrder>& orders) {
  PictureSize size;
  fs::path before;
  for (const PictureOrder& order : orders) {
    if (order.begin == before) continue;
    const AmplitudeImage image = read_begin(order.begin);
    if (size.height != 0 && (image.height != size.height || image.width != size.width)) {
      refuse(
          fmt::format("{}: {}x{} pixels, but {} has {}x{}; sample pictures of one size at a time",
                      order.begin.string(), image.height, image.width, before.string(), size.height,
                      size.width));
    }
    size = {image.height, image.width};
    before = order.begin;
  }
  return size;
}

}  // namespace sarsweep::trainer
