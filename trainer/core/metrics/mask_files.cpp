#include "trainer/core/metrics/mask_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/metrics/coco_rle.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr JsonLimits kLimits{.depth = 16, .values = 20'000'000, .string_bytes = 64U << 20U};

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid, message, "eval.masks");
}

// "a/b.png" → "a/b", of a tile "a/b.png@0,64" → "a/b@0,64".
std::string stem_of(const std::string& file_name) {
  const std::size_t slash = file_name.rfind('/');
  const std::size_t from = slash == std::string::npos ? 0 : slash + 1;
  const std::size_t tile = file_name.find('@', from);
  const std::string name = file_name.substr(0, tile);
  const std::size_t dot = name.rfind('.');
  const std::string stem = dot == std::string::npos || dot <= from ? name : name.substr(0, dot);
  return tile == std::string::npos ? stem : stem + file_name.substr(tile);
}

json read_json(const fs::path& file) { return parse_json(read_file(file), file.string(), kLimits); }

// The segmentations of a list of annotations.
std::vector<json> segmentations_of(const json& document, const std::string& where) {
  const json& list =
      document.is_object() && document.contains("annotations") ? document["annotations"] : document;
  if (!list.is_array()) refuse(where + ": neither a list of annotations nor holds one");
  std::vector<json> segmentations;
  for (const json& annotation : list) {
    if (!annotation.is_object() || !annotation.contains("segmentation")) {
      refuse(where + ": an annotation has no 'segmentation'");
    }
    segmentations.push_back(annotation["segmentation"]);
  }
  return segmentations;
}

std::map<std::string, std::vector<json>> read_coco(const fs::path& file) {
  const json document = read_json(file);
  const std::string where = file.string();
  std::map<std::string, std::vector<json>> by_stem;
  try {
    std::map<json, std::string> stems;
    for (const json& image : document.at("images")) {
      stems[image.at("id")] = stem_of(image.at("file_name").get<std::string>());
    }
    for (const json& annotation : document.at("annotations")) {
      const auto found = stems.find(annotation.at("image_id"));
      if (found == stems.end()) {
        refuse(fmt::format("{}: an annotation is of image {}, which is not listed", where,
                           annotation["image_id"].dump()));
      }
      by_stem[found->second].push_back(annotation.at("segmentation"));
    }
  } catch (const json::exception& error) {
    refuse(
        fmt::format("{}: not a COCO file with images and annotations ({})", where, error.what()));
  }
  return by_stem;
}

Mask read_picture_mask(const fs::path& file) {
  const AmplitudeImage picture = read_amplitude({file}, std::nullopt, Gray::mean);
  Mask mask{picture.height, picture.width, {}};
  for (const float pixel : picture.pixels) mask.inside.push_back(pixel > 0 ? 1 : 0);
  return mask;
}

std::vector<fs::path> files_beneath(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Mask> decoded(const std::vector<json>& segmentations, const std::string& where) {
  std::vector<Mask> masks;
  for (const json& segmentation : segmentations) masks.push_back(decode_rle(segmentation, where));
  return masks;
}

std::vector<Mask> masks_in(const fs::path& folder, const std::string& stem) {
  const fs::path picture = folder / (stem + ".png");
  const fs::path list = folder / (stem + ".json");
  if (fs::is_regular_file(picture)) return {read_picture_mask(picture)};
  if (fs::is_regular_file(list)) {
    return decoded(segmentations_of(read_json(list), list.string()), list.string());
  }
  std::vector<Mask> masks;
  if (!fs::is_directory(folder / stem)) return masks;
  for (const fs::path& file : files_beneath(folder / stem)) {
    if (file.extension() == ".png") masks.push_back(read_picture_mask(file));
  }
  return masks;
}

}  // namespace

MaskFiles::MaskFiles(fs::path place) : place_(std::move(place)) {
  if (fs::is_directory(place_)) return;
  if (!fs::is_regular_file(place_)) {
    throw Error(ErrorCode::not_found,
                fmt::format("masks: {} is neither a folder nor a file; give a folder of PNG masks, "
                            "a COCO file, or 'builtin'",
                            place_.string()),
                "eval.masks");
  }
  coco_ = read_coco(place_);
}

std::optional<Mask> MaskFiles::largest(const std::string& file_name, PairSide side,
                                       const AmplitudeImage& picture) const {
  const std::string stem = stem_of(file_name);
  const fs::path own = place_ / (side == PairSide::real ? "real" : "generated");
  const auto listed = coco_.find(stem);
  std::vector<Mask> masks;
  if (listed != coco_.end()) {
    masks = decoded(listed->second, fmt::format("{}, mask of {}", place_.string(), file_name));
  } else if (coco_.empty()) {
    masks = masks_in(fs::is_directory(own) ? own : place_, stem);
  }
  if (masks.empty()) return std::nullopt;
  Mask mask = *std::max_element(masks.begin(), masks.end(),
                                [](const Mask& a, const Mask& b) { return a.area() < b.area(); });
  if (mask.height != picture.height || mask.width != picture.width) {
    refuse(fmt::format(
        "{}: the mask of {} is {} x {}, the measured picture {} x {}; make masks of "
        "the pictures as they are evaluated",
        place_.string(), file_name, mask.height, mask.width, picture.height, picture.width));
  }
  return mask;
}

std::string MaskFiles::digest() const {
  if (fs::is_regular_file(place_)) return sha256_file(place_);
  Sha256 digest;
  for (const fs::path& file : files_beneath(place_)) {
    digest.update(fs::relative(file, place_).generic_string() + "\n" + sha256_file(file) + "\n");
  }
  return digest.hex();
}

}  // namespace sarsweep::trainer
