#include "trainer/core/data/item_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "trainer/core/data/fault_list.h"
#include "trainer/core/data/image_folder.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr std::int64_t kMaxPixels = 1LL << 28;  // of a picture after data.resize

[[noreturn]] void refuse(const std::string& where, const std::string& reason,
                         const std::string& field = {}) {
  throw Error(ErrorCode::invalid, where + ": " + reason, field);
}

std::string columns_of(const MetadataRow& row) {
  std::string names;
  for (const auto& [key, value] : row.values.items()) names += (names.empty() ? "" : ", ") + key;
  return names;
}

// The first occurrence only, one pair after the other.
std::string replaced(std::string text, const DataOptions& options) {
  for (const auto& [from, to] : options.prompt_replace) {
    const std::size_t at = from.empty() ? std::string::npos : text.find(from);
    if (at != std::string::npos) text.replace(at, from.size(), to);
  }
  return text;
}

DataItem item_of(const ListedPicture& picture, const DataOptions& options) {
  const MetadataRow& row = picture.row;
  DataItem item;
  item.file_name = picture.file_name;
  item.file = picture.file;
  const std::optional<std::string> caption = text_of(row, options.caption_column);
  if (!caption) {
    refuse(row.where,
           fmt::format("has no caption column '{}' (columns: {}); set data.caption_column",
                       options.caption_column, columns_of(row)),
           "data.caption_column");
  }
  item.caption = *caption;
  item.prompt = replaced(*caption, options);
  if (!options.scale_column.empty()) item.scale = scale_of(row, options.scale_column);
  if (!options.group_column.empty()) {
    const std::optional<std::string> group = text_of(row, options.group_column);
    if (!group) {
      refuse(row.where, fmt::format("has no group column '{}'", options.group_column),
             "data.group_column");
    }
    item.group = *group;
  }
  return item;
}

// All rows have a label, or none has: then there is one label, `all`.
void set_labels(std::vector<DataItem>& items, const std::vector<ListedPicture>& listed,
                const std::string& column) {
  const auto has_label = [&](const ListedPicture& picture) {
    return text_of(picture.row, column).has_value();
  };
  const bool labelled = !column.empty() && std::any_of(listed.begin(), listed.end(), has_label);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::optional<std::string> label = text_of(listed[i].row, column);
    if (labelled && !label) {
      refuse(listed[i].row.where,
             fmt::format("has no label column '{}', although other rows have it", column),
             "data.label_column");
    }
    items[i].label = labelled ? *label : "all";
  }
}

void require_large_enough(const DataItem& item, const DataOptions& options) {
  const auto [height, width] = item.prepared;
  if (std::min(height, width) < options.resolution) {
    refuse(item.file.name(),
           fmt::format("{} x {} pixels, smaller than data.resolution {}; lower data.resolution",
                       item.stored.width, item.stored.height, options.resolution),
           "data.resolution");
  }
  if (width > kMaxPixels / height) {
    refuse(item.file.name(),
           fmt::format("{} x {} pixels become {} x {} by data.resize {}, above 2^28; cut it",
                       item.stored.width, item.stored.height, width, height, options.resize),
           "data.resize");
  }
}

bool is_unstretched(const json& stretch) { return stretch.is_null() || stretch == "none"; }

void check_file(DataItem& item, const DataOptions& options) {
  const std::string bytes = item.file.read();
  const ImageInfo info = read_image_info(bytes, item.file.name());
  item.stored = {info.height, info.width};
  item.prepared = prepared_size(item.stored, options.resize, options.resolution);
  require_large_enough(item, options);
  if ((info.bits == 16 || info.floating) && is_unstretched(options.stretch)) {
    refuse(item.file.name(),
           fmt::format("{} data need data.stretch (mean3sigma, sqrt, log or {{lo, hi}}): their "
                       "long tail leaves a picture black",
                       info.floating ? "float" : "16-bit"),
           "data.stretch");
  }
  item.sha256 = sha256(bytes);
}

}  // namespace

std::vector<DataItem> described_items(const DataOptions& options, const std::string& split) {
  const std::vector<ListedPicture> listed = list_split(options, split);
  std::vector<DataItem> items;
  FaultList faults;
  for (const ListedPicture& picture : listed) {
    faults.gather([&] { items.push_back(item_of(picture, options)); });
  }
  faults.throw_if_any();
  set_labels(items, listed, options.label_column);
  return items;
}

std::vector<DataItem> checked_items(const DataOptions& options, const std::string& split) {
  std::vector<DataItem> items = described_items(options, split);
  FaultList faults;
  for (DataItem& item : items) {
    faults.gather([&] { check_file(item, options); });
  }
  faults.throw_if_any();
  return items;
}

std::vector<DataItem> with_views(const std::vector<DataItem>& pictures,
                                 const DataOptions& options) {
  std::vector<DataItem> items;
  for (const DataItem& picture : pictures) {
    if (options.crop != "tile") {
      items.push_back(picture);
      items.back().view = central_view(picture.prepared, options.resolution);
      continue;
    }
    for (const View& view : tile_views(picture.prepared, options.resolution)) {
      items.push_back(picture);
      items.back().view = view;
      items.back().file_name += fmt::format("@{},{}", view.row, view.col);
    }
  }
  return items;
}

void require_separate_groups(const DataOptions& options) {
  if (options.group_column.empty()) return;
  std::map<std::string, std::string> home;  // group -> split
  for (const char* split : {"train", "val", "test"}) {
    if (!has_split(options, split)) continue;
    for (const DataItem& item : described_items(options, split)) {
      const auto [entry, fresh] = home.emplace(item.group, split);
      if (fresh || entry->second == split) continue;
      refuse(item.file.name(),
             fmt::format("{} '{}' is in the splits {} and {}; keep a group in one split",
                         options.group_column, item.group, entry->second, split),
             "data.group_column");
    }
  }
}

AmplitudeImage read_picture(const DataItem& item, const DataOptions& options) {
  return prepared(read_amplitude(item.file, item.scale, parse_gray(options.gray)), options.resize,
                  options.resolution);
}

}  // namespace sarsweep::trainer
