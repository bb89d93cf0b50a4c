#include "trainer/core/data/picture_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <utf8proc.h>

#include "schema/base/error.h"
#include "trainer/core/data/dataset.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

constexpr std::array kKnownSplits = {"train", "val", "validation", "test"};
constexpr std::uint64_t kLongestCaption = 1 << 20;

[[noreturn]] void refuse(const fs::path& where, const std::string& reason,
                         const std::string& field) {
  throw Error(ErrorCode::invalid, where.string() + ": " + reason, field);
}

bool has_suffix(const fs::path& path, std::string_view suffix) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == suffix;
}

// Archives of `folder` whose name begins with `prefix`, in the order of their names.
std::vector<fs::path> shards_in(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> shards;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && has_suffix(entry.path(), ".tar") && entry.is_regular_file()) {
      shards.push_back(entry.path());
    }
  }
  std::sort(shards.begin(), shards.end());
  return shards;
}

bool has_captioned_picture(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    fs::path caption = entry.path();
    if (!is_picture_name(caption) || !entry.is_regular_file()) continue;
    if (fs::exists(caption.replace_extension(".txt"))) return true;
    if (fs::exists(caption.replace_extension(".caption"))) return true;
  }
  return false;
}

// The bytes from the start that are valid UTF-8.
std::size_t valid_utf8(const std::string& text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  std::size_t at = 0;
  while (at < text.size()) {
    utf8proc_int32_t code_point = 0;
    const utf8proc_ssize_t used =
        utf8proc_iterate(bytes + at, static_cast<utf8proc_ssize_t>(text.size() - at), &code_point);
    if (used <= 0) break;
    at += static_cast<std::size_t>(used);
  }
  return at;
}

// The layout of a folder that holds pictures, or empty.
std::string layout_of(const fs::path& folder) {
  if (fs::exists(folder / "metadata.jsonl")) return "imagefolder";
  if (!shards_in(folder, "").empty()) return "webdataset";
  return has_captioned_picture(folder) ? "kohya" : "";
}

struct SplitPlace {
  fs::path folder;
  std::vector<fs::path> shards;  // where they lie beside those of other splits
};

std::vector<std::string> names_of(const std::string& split) {
  if (split == "val") return {"val", "validation"};
  if (split == "validation") return {"validation", "val"};
  return {split};
}

// Folders named for a split, and shards that begin with its name.
std::vector<std::string> splits_in(const fs::path& data) {
  std::vector<std::string> names;
  for (const char* split : kKnownSplits) {
    const bool there =
        fs::is_directory(data / split) || !shards_in(data, std::string(split) + "-").empty();
    if (there) names.emplace_back(split);
  }
  return names;
}

std::optional<SplitPlace> find_split(const DataOptions& options, const std::string& split) {
  if (!fs::is_directory(options.path)) {
    refuse(options.path, "no such data folder", "data.path");
  }
  for (const std::string& name : names_of(split)) {
    if (fs::is_directory(options.path / name)) return SplitPlace{options.path / name, {}};
    std::vector<fs::path> shards = shards_in(options.path, name + "-");
    if (!shards.empty()) return SplitPlace{options.path, std::move(shards)};
  }
  // A folder without splits is the one that trains.
  const bool whole = split == options.split && splits_in(options.path).empty();
  if (whole && !layout_of(options.path).empty()) return SplitPlace{options.path, {}};
  return std::nullopt;
}

std::string format_of(const SplitPlace& place, const DataOptions& options) {
  if (options.format != "auto") return options.format;
  if (!place.shards.empty()) return "webdataset";
  const std::string layout = layout_of(place.folder);
  if (!layout.empty()) return layout;
  refuse(place.folder,
         "holds neither metadata.jsonl (imagefolder), nor .tar shards (webdataset), nor pictures "
         "with a .txt caption beside them (kohya)",
         "data.format");
}

std::vector<ListedPicture> list_place(const SplitPlace& place, const DataOptions& options) {
  const std::string format = format_of(place, options);
  if (format == "imagefolder") return list_image_folder(place.folder);
  if (format == "kohya") return list_caption_files(place.folder, options);
  const std::vector<fs::path> shards =
      place.shards.empty() ? shards_in(place.folder, "") : place.shards;
  if (shards.empty()) refuse(place.folder, "holds no .tar shard", "data.format");
  return list_shards(shards, options);
}

}  // namespace

bool has_split(const DataOptions& options, const std::string& split) {
  return find_split(options, split).has_value();
}

std::vector<ListedPicture> list_split(const DataOptions& options, const std::string& split) {
  const std::optional<SplitPlace> place = find_split(options, split);
  if (!place) {
    const std::vector<std::string> there = splits_in(options.path);
    const std::string list = there.empty() ? "none of train, val, validation, test"
                                           : fmt::format("{}", fmt::join(there, ", "));
    refuse(options.path, fmt::format("has no split '{}' (there is: {})", split, list),
           "data.split");
  }
  std::vector<ListedPicture> pictures = list_place(*place, options);
  for (const ListedPicture& picture : pictures) {
    if (valid_utf8(picture.file_name) == picture.file_name.size()) continue;
    refuse(place->folder, "holds a picture whose name is not UTF-8; rename it", "data.path");
  }
  return pictures;
}

bool is_picture_name(const fs::path& name) {
  constexpr std::array kSuffixes = {".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".bmp"};
  return std::any_of(kSuffixes.begin(), kSuffixes.end(),
                     [&](const char* suffix) { return has_suffix(name, suffix); });
}

std::string read_caption(const PictureFile& file) {
  const auto refuse_text = [&](const std::string& reason) {
    throw Error(ErrorCode::invalid, fmt::format("{}: {}", file.name(), reason));
  };
  if (file.size() > kLongestCaption) refuse_text("a caption longer than 1 MiB");
  const std::string text = file.read();
  const std::size_t valid = valid_utf8(text);
  if (valid != text.size()) refuse_text(fmt::format("is not UTF-8 at byte {}; convert it", valid));
  constexpr const char* kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace sarsweep::trainer
