#include "trainer/core/data/dataset.h"

#include <fmt/format.h>

#include <map>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "trainer/core/data/image_folder.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& message, const std::string& field = {}) {
  throw Error(ErrorCode::invalid, message, field);
}

std::string text_field(const json& group, const char* key, const std::string& otherwise) {
  const auto found = group.find(key);
  return found == group.end() || found->is_null() ? otherwise : found->get<std::string>();
}

void require_supported(const DataOptions& options) {
  parse_gray(options.gray);
  if (options.resolution < 2) {
    refuse(fmt::format("data.resolution {} must be at least 2", options.resolution),
           "data.resolution");
  }
  if (options.crop != "center" && options.crop != "random") {
    refuse(fmt::format("data.crop {} is not supported by this version; use center or random",
                       options.crop),
           "data.crop");
  }
  if (options.resize != "error") {
    refuse(
        fmt::format("data.resize {} is not supported by this version (resizing destroys speckle); "
                    "use error and a data.resolution no larger than the pictures",
                    options.resize),
        "data.resize");
  }
}

bool is_unstretched(const json& stretch) { return stretch.is_null() || stretch == "none"; }

void check_header(DataItem& item, const DataOptions& options) {
  const ImageInfo info = read_image_info(read_file(item.path), item.path.string());
  item.height = info.height;
  item.width = info.width;
  if (info.height < options.resolution || info.width < options.resolution) {
    refuse(fmt::format("{}: {} x {} pixels, smaller than data.resolution {}; lower data.resolution",
                       item.path.string(), info.width, info.height, options.resolution),
           "data.resolution");
  }
  if ((info.bits == 16 || info.floating) && is_unstretched(options.stretch)) {
    refuse(fmt::format("{}: {} data need data.stretch (mean3sigma, sqrt, log or {{lo, hi}}): their "
                       "long tail leaves a picture black",
                       item.path.string(), info.floating ? "float" : "16-bit"),
           "data.stretch");
  }
}

void require_separate_groups(const DataOptions& options) {
  if (options.group_column.empty()) return;
  std::map<std::string, std::string> home;  // group -> split
  for (const char* split : {"train", "val", "validation", "test"}) {
    const auto folder = options.path / split;
    if (!std::filesystem::is_directory(folder)) continue;
    for (const DataItem& item : read_items(folder, options)) {
      const auto [entry, fresh] = home.emplace(item.group, split);
      if (fresh || entry->second == split) continue;
      refuse(
          fmt::format("{}: {} '{}' is in the splits {} and {}; keep a group in one split",
                      item.path.string(), options.group_column, item.group, entry->second, split),
          "data.group_column");
    }
  }
}

AmplitudeImage read_item_amplitude(const DataItem& item, const DataOptions& options) {
  return read_amplitude({item.path}, item.scale, parse_gray(options.gray));
}

AmplitudeImage centre(const AmplitudeImage& image, int size) {
  return crop(image, (image.height - size) / 2, (image.width - size) / 2, size, size);
}

}  // namespace

DataOptions data_options(const json& nested_config) {
  const json data = nested_config.value("data", json::object());
  DataOptions options;
  const std::string format = text_field(data, "format", "auto");
  if (format != "auto" && format != "imagefolder") {
    refuse(fmt::format("data.format {} is not supported by this version; use imagefolder", format),
           "data.format");
  }
  options.path = text_field(data, "path", "");
  if (options.path.empty())
    refuse("data.path is missing: the folder that holds train/", "data.path");
  options.split = text_field(data, "split", options.split);
  options.resolution = data.value("resolution", options.resolution);
  options.caption_column = text_field(data, "caption_column", options.caption_column);
  options.label_column = text_field(data, "label_column", options.label_column);
  options.scale_column = text_field(data, "scale_column", "");
  options.group_column = text_field(data, "group_column", "");
  options.stretch = data.value("stretch", options.stretch);
  options.stretch_scope = text_field(data, "stretch_scope", options.stretch_scope);
  options.gray = text_field(data, "gray", options.gray);
  options.crop = text_field(data, "crop", options.crop);
  options.resize = text_field(data, "resize", options.resize);
  const json prompt = nested_config.value("prompt", json::object());
  const json replace = prompt.value("replace", json::object());
  for (const auto& [from, to] : replace.items()) {
    options.prompt_replace.emplace_back(from, to.get<std::string>());
  }
  require_supported(options);
  return options;
}

Dataset::Dataset(const DataOptions& options, const std::string& split,
                 std::optional<Stretch> measured)
    : options_(options) {
  require_supported(options_);
  items_ = read_items(split_folder(options_.path, split), options_);
  require_separate_groups(options_);
  for (DataItem& item : items_) {
    check_header(item, options_);
    item.sha256 = sha256_file(item.path);
  }
  std::vector<std::size_t> all(items_.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  digest_ = items_digest(items_, all);
  stretch_ =
      measured ? *measured : measured_stretch(options_, options_.stretch, options_.stretch_scope);
}

AmplitudeImage Dataset::amplitude(std::size_t index) const {
  const DataItem& item = items_.at(index);
  return amplitude_at(index, (item.height - options_.resolution) / 2,
                      (item.width - options_.resolution) / 2);
}

AmplitudeImage Dataset::amplitude_at(std::size_t index, int row, int col) const {
  const DataItem& item = items_.at(index);
  const AmplitudeImage whole = read_item_amplitude(item, options_);
  const int size = options_.resolution;
  if (row < 0 || col < 0 || row + size > whole.height || col + size > whole.width) {
    refuse(fmt::format("{}: a crop of {} at row {}, column {} leaves the picture of {} x {}",
                       item.path.string(), size, row, col, whole.width, whole.height));
  }
  return crop(whole, row, col, size, size);
}

AmplitudeImage Dataset::stretched(std::size_t index) const {
  return stretch_.forward(amplitude(index));
}

std::vector<std::size_t> evaluation_items(const Dataset& data, int per_label) {
  std::map<std::string, std::map<std::string, std::size_t>> by_label;  // label -> digest -> index
  for (std::size_t i = 0; i < data.items().size(); ++i) {
    const DataItem& item = data.items()[i];
    by_label[item.label].emplace(sha256(item.file_name), i);
  }
  std::vector<std::size_t> chosen;
  for (const auto& [label, ordered] : by_label) {
    int taken = 0;
    for (const auto& [digest, index] : ordered) {
      if (taken++ < per_label) chosen.push_back(index);
    }
  }
  return chosen;
}

std::string items_digest(const std::vector<DataItem>& items,
                         const std::vector<std::size_t>& chosen) {
  Sha256 digest;
  for (const std::size_t index : chosen) {
    const DataItem& item = items.at(index);
    const json row = {item.file_name, item.caption, item.label,
                      item.scale ? json(*item.scale) : json(nullptr), item.sha256};
    digest.update(row.dump() + "\n");
  }
  return digest.hex();
}

Stretch measured_stretch(const DataOptions& options, const json& stretch,
                         const std::string& scope) {
  if (!needs_statistics(stretch, scope)) return make_stretch(stretch, scope, 0, 0);
  // What training sees is measured: the centre where every crop is the centre, else whole pictures.
  AmplitudeStatistics statistics;
  for (const DataItem& item : read_items(split_folder(options.path, options.split), options)) {
    const AmplitudeImage whole = read_item_amplitude(item, options);
    const bool fits = whole.height >= options.resolution && whole.width >= options.resolution;
    const bool centred = options.crop == "center" && fits;
    statistics.add(centred ? centre(whole, options.resolution) : whole);
  }
  return make_stretch(stretch, scope, statistics.mean(), statistics.sigma());
}

}  // namespace sarsweep::trainer
